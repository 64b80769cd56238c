#include "moe/experiment/step_plan.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/align/align_options.h"
#include "moe/base/check.h"
#include "moe/base/option_checks.h"
#include "moe/base/status_macros.h"
#include "moe/convert/conversion_options.h"
#include "moe/experiment/experiment_spec.pb.h"
#include "moe/experiment/option_flags.h"
#include "moe/experiment/spec_name.h"
#include "moe/gates/clustering_options.h"
#include "moe/gates/random_selection_options.h"
#include "moe/split/split_options.h"
#include "moe/text/dataset/dataset_options.h"

namespace moe {
namespace {

using Steps = std::vector<PlannedStep>;

absl::Status Wanted(absl::string_view field, absl::string_view found,
                    absl::string_view wanted) {
  return absl::InvalidArgumentError(
      absl::StrCat(field, " is \"", found, "\"; wanted is ", wanted));
}

// Makes one step of the spec, given those before it.
class StepPlanner {
 public:
  StepPlanner(const ExperimentSpec& spec, const Steps& earlier)
      : spec_(spec), earlier_(earlier) {}

  absl::StatusOr<PlannedStep> Plan(const ExperimentStep& step) {
    planned_.name = step.name();
    MOE_RETURN_IF_ERROR(PlanByKind(step));
    return std::move(planned_);
  }

 private:
  absl::Status PlanByKind(const ExperimentStep& step) {
    switch (step.step_case()) {
      case ExperimentStep::kHiddenClustering:
        return Plan(step.hidden_clustering());
      case ExperimentStep::kRandomSelection:
        return Plan(step.random_selection());
      case ExperimentStep::kNeuronImportance:
        return Plan(step.neuron_importance());
      case ExperimentStep::kSplit:
        return Plan(step.split());
      case ExperimentStep::kSplitResidual:
        return Plan(step.split_residual());
      case ExperimentStep::kNaiveSplit:
        return Plan(step.naive_split());
      case ExperimentStep::kConvertMlp:
        return Plan(step.convert_mlp());
      case ExperimentStep::kConvertAttention:
        return Plan(step.convert_attention());
      case ExperimentStep::kEvaluate:
        return Plan(step.evaluate());
      case ExperimentStep::kHiddenDistribution:
        return Plan(step.hidden_distribution());
      case ExperimentStep::kAlign:
        return Plan(step.align());
      case ExperimentStep::STEP_NOT_SET:
        break;
    }
    return absl::InvalidArgumentError(
        "says not what is done; wanted is one of the fields of ExperimentStep, "
        "such as hidden_clustering");
  }

  absl::Status Plan(const HiddenClusteringStep& step) {
    Start("hidden_clustering", OutputKind::kGateWeights);
    AddModel();
    MOE_RETURN_IF_ERROR(AddDataset(step.dataset()));
    MOE_RETURN_IF_ERROR(
        CheckOptions(ValidateClusteringOptions(step.options())));
    MOE_RETURN_IF_ERROR(CheckSeedIsDatasets(step));
    AddArguments(OptionFlags(step.options(), {"seed"}));
    return absl::OkStatus();
  }

  absl::Status Plan(const RandomSelectionStep& step) {
    Start("random_selection", OutputKind::kGateWeights);
    AddModel();
    MOE_RETURN_IF_ERROR(AddDataset(step.dataset()));
    MOE_RETURN_IF_ERROR(
        CheckOptions(ValidateRandomSelectionOptions(step.options())));
    MOE_RETURN_IF_ERROR(CheckSeedIsDatasets(step));
    AddArguments(OptionFlags(step.options(), {"seed"}));
    return absl::OkStatus();
  }

  absl::Status Plan(const NeuronImportanceStep& step) {
    Start("split_gradient_get_grads", OutputKind::kImportanceScores);
    AddModel();
    MOE_RETURN_IF_ERROR(AddDataset(step.dataset()));
    return AddStep({"gate_weights", "gate_weights_file"},
                   OutputKind::kGateWeights, step.gate_weights());
  }

  absl::Status Plan(const VanillaSplitStep& step) {
    Start("split_gradient", OutputKind::kNeuronIndices);
    AddModel();
    MOE_RETURN_IF_ERROR(AddScores(step.importance_scores()));
    MOE_RETURN_IF_ERROR(
        CheckOptions(ValidateVanillaSplitOptions(step.options())));
    AddArguments(OptionFlags(step.options()));
    return absl::OkStatus();
  }

  absl::Status Plan(const ResidualSplitStep& step) {
    Start("split_gradient_residual", OutputKind::kNeuronIndices);
    AddModel();
    MOE_RETURN_IF_ERROR(AddScores(step.importance_scores()));
    MOE_RETURN_IF_ERROR(
        CheckOptions(ValidateResidualSplitOptions(step.options())));
    AddArguments(OptionFlags(step.options()));
    return absl::OkStatus();
  }

  absl::Status Plan(const NaiveSplitStep& step) {
    const NaiveSplitOptions& options = step.options();
    MOE_RETURN_IF_ERROR(CheckOptions(ValidateNaiveSplitOptions(options)));
    const bool random = options.method() == NaiveSplitOptions::RANDOM;
    Start(random ? "split_random" : "split_sequential",
          OutputKind::kNeuronIndices);
    AddModel();
    return AddDrawing(options, "method", random);
  }

  absl::Status Plan(const MlpConversionStep& step) {
    const MlpConversionOptions& options = step.options();
    MOE_RETURN_IF_ERROR(CheckOptions(ValidateMlpConversionOptions(options)));
    const bool residual = options.kind() == MlpConversionOptions::RESIDUAL;
    Start(residual ? "convert_mixtral_residual" : "convert_mixtral",
          OutputKind::kCheckpoint);
    AddModel();
    if (residual || !step.gate_weights().empty()) {
      MOE_RETURN_IF_ERROR(AddStep({"gate_weights", "gate_weights_file"},
                                  OutputKind::kGateWeights,
                                  step.gate_weights()));
    }
    if (residual || !step.neuron_indices().empty()) {
      MOE_RETURN_IF_ERROR(AddStep({"neuron_indices", "neuron_indices_file"},
                                  OutputKind::kNeuronIndices,
                                  step.neuron_indices()));
    }
    return AddDrawing(options, "kind", !residual);
  }

  absl::Status Plan(const AttentionConversionStep& step) {
    Start("convert_mixtral_attn_moe", OutputKind::kCheckpoint);
    MOE_RETURN_IF_ERROR(AddCheckpoint(step.checkpoint()));
    if (!step.gate_weights().empty()) {
      MOE_RETURN_IF_ERROR(AddStep({"gate_weights", "attn_gate_weights_file"},
                                  OutputKind::kGateWeights,
                                  step.gate_weights()));
    }
    MOE_RETURN_IF_ERROR(
        CheckOptions(ValidateAttentionConversionOptions(step.options())));
    AddArguments(OptionFlags(step.options()));
    return absl::OkStatus();
  }

  absl::Status Plan(const HiddenDistributionStep& step) {
    Start("get_hidden_distribution", OutputKind::kDistribution);
    MOE_RETURN_IF_ERROR(AddCheckpoint(step.checkpoint()));
    return AddDataset(step.dataset());
  }

  absl::Status Plan(const AlignmentStep& step) {
    Start("align_converted_model", OutputKind::kAlignedCheckpoint);
    MOE_RETURN_IF_ERROR(AddStep({"checkpoint", "model_path"},
                                OutputKind::kCheckpoint, step.checkpoint()));
    MOE_RETURN_IF_ERROR(AddStep({"distribution", "reference_distribution_file"},
                                OutputKind::kDistribution,
                                step.distribution()));
    MOE_RETURN_IF_ERROR(AddDataset(step.dataset()));
    MOE_RETURN_IF_ERROR(CheckOptions(ValidateAlignOptions(step.options())));
    AddArguments(OptionFlags(step.options()));
    return absl::OkStatus();
  }

  absl::Status Plan(const EvaluationStep& step) {
    Start("evaluate", OutputKind::kEvaluation);
    MOE_RETURN_IF_ERROR(AddCheckpoint(step.checkpoint()));
    return AddDataset(step.dataset());
  }

  void Start(absl::string_view command, OutputKind output) {
    planned_.command = std::string(command);
    planned_.output = output;
  }

  void AddArguments(std::vector<std::string> flags) {
    planned_.arguments.insert(planned_.arguments.end(), flags.begin(),
                              flags.end());
  }

  void AddModel() {
    planned_.inputs.push_back(
        {"model_path", InputSource::kModel, spec_.model(), ""});
  }

  absl::Status AddCheckpoint(const std::string& step) {
    if (step.empty()) {
      AddModel();
      return absl::OkStatus();
    }
    return AddStep({"checkpoint", "model_path"}, OutputKind::kCheckpoint, step);
  }

  absl::Status AddScores(const std::string& step) {
    return AddStep({"importance_scores", "score_file"},
                   OutputKind::kImportanceScores, step);
  }

  absl::Status AddDataset(const std::string& name) {
    const auto& datasets = spec_.datasets();
    const auto found = std::find_if(
        datasets.begin(), datasets.end(),
        [&](const ExperimentDataset& d) { return d.name() == name; });
    if (found == datasets.end()) {
      return Wanted("dataset", name, "the name of one of the datasets");
    }
    planned_.inputs.push_back(
        {"dataset_dir_or_path", InputSource::kData, name, found->file()});
    AddArguments(OptionFlags(found->tokenize()));
    AddArguments(OptionFlags(found->batch()));
    seed_ = found->batch().seed();
    return absl::OkStatus();
  }

  struct Reference {
    absl::string_view field;
    absl::string_view flag;
  };

  absl::Status AddStep(const Reference& reference, OutputKind kind,
                       const std::string& name) {
    std::vector<std::string> candidates;
    for (const PlannedStep& step : earlier_) {
      const bool fits = kind == OutputKind::kCheckpoint
                            ? IsCheckpoint(step.output)
                            : step.output == kind;
      if (fits) candidates.push_back(step.name);
    }
    if (std::find(candidates.begin(), candidates.end(), name) ==
        candidates.end()) {
      return Wanted(
          reference.field, name,
          candidates.empty()
              ? absl::StrCat("a step that makes ", OutputName(kind),
                             ", and none stands before this one")
              : absl::StrCat("an earlier step that makes ", OutputName(kind),
                             ": ", absl::StrJoin(candidates, ", ")));
    }
    planned_.inputs.push_back({std::string(reference.flag), InputSource::kStep,
                               name, OutputFile(kind)});
    return absl::OkStatus();
  }

  static absl::Status CheckOptions(const absl::Status& status) {
    return Annotate(status, "options");
  }

  template <typename Step>
  absl::Status CheckSeedIsDatasets(const Step& step) const {
    if (step.options().seed() == seed_) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(
        "options: seed is ", step.options().seed(), ", and that of dataset \"",
        step.dataset(), "\" is ", seed_,
        "; the command has one --seed for both, so they have to be the same"));
  }

  // Flags of options that choose the command and may draw random numbers.
  template <typename Options>
  absl::Status AddDrawing(const Options& options, absl::string_view choice,
                          bool draws) {
    if (!draws && options.seed() != 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("options: seed is ", options.seed(), ", and ",
                       planned_.command, " draws nothing; leave it out"));
    }
    AddArguments(draws ? OptionFlags(options, {choice})
                       : OptionFlags(options, {choice, "seed"}));
    return absl::OkStatus();
  }

  const ExperimentSpec& spec_;
  const Steps& earlier_;
  PlannedStep planned_;
  int64_t seed_ = 0;
};

// "steps[2] "scores"".
std::string Place(absl::string_view list, int index, absl::string_view name) {
  return absl::StrCat(list, "[", index, "] \"", name, "\"");
}

template <typename List>
absl::Status CheckNames(const List& list, absl::string_view what) {
  for (int i = 0; i < list.size(); ++i) {
    MOE_RETURN_IF_ERROR(Annotate(CheckSpecName(list[i].name(), "name"),
                                 absl::StrCat(what, "[", i, "]")));
    for (int j = 0; j < i; ++j) {
      if (list[j].name() != list[i].name()) continue;
      return absl::InvalidArgumentError(
          absl::StrCat(Place(what, i, list[i].name()), ": the name stands in ",
                       what, "[", j, "] already"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckHead(const ExperimentSpec& spec) {
  MOE_RETURN_IF_ERROR(CheckSpecName(spec.name(), "name"));
  MOE_RETURN_IF_ERROR(CheckSpecName(spec.model(), "model"));
  MOE_RETURN_IF_ERROR(CheckSpecName(spec.data(), "data"));
  if (spec.steps().empty()) {
    return absl::InvalidArgumentError("steps is empty; wanted is one or more");
  }
  MOE_RETURN_IF_ERROR(CheckNames(spec.datasets(), "datasets"));
  MOE_RETURN_IF_ERROR(CheckNames(spec.steps(), "steps"));
  for (int i = 0; i < spec.steps_size(); ++i) {
    if (spec.steps(i).name() != kReportDirectory) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        Place("steps", i, kReportDirectory),
        ": the report of the experiment has this name among the results; "
        "choose another"));
  }
  for (int i = 0; i < spec.datasets_size(); ++i) {
    MOE_RETURN_IF_ERROR(
        Annotate(ValidateExperimentDataset(spec.datasets(i)),
                 Place("datasets", i, spec.datasets(i).name())));
  }
  return absl::OkStatus();
}

}  // namespace

absl::string_view OutputName(OutputKind kind) {
  switch (kind) {
    case OutputKind::kGateWeights:
      return "gate_weights";
    case OutputKind::kImportanceScores:
      return "importance_scores";
    case OutputKind::kNeuronIndices:
      return "neuron_indices";
    case OutputKind::kDistribution:
      return "distribution";
    case OutputKind::kCheckpoint:
      return "checkpoint";
    case OutputKind::kAlignedCheckpoint:
      return "aligned_checkpoint";
    case OutputKind::kEvaluation:
      return "evaluation";
  }
  MOE_CHECK(false);
  return "";
}

std::string OutputFile(OutputKind kind) {
  switch (kind) {
    case OutputKind::kCheckpoint:
    case OutputKind::kAlignedCheckpoint:
      return "";
    case OutputKind::kEvaluation:
      return "evaluation.report.json";
    default:
      return absl::StrCat(OutputName(kind), ".safetensors");
  }
}

bool IsCheckpoint(OutputKind kind) {
  return kind == OutputKind::kCheckpoint ||
         kind == OutputKind::kAlignedCheckpoint;
}

absl::Status ValidateExperimentDataset(const ExperimentDataset& dataset) {
  const std::string& file = dataset.file();
  if (file.find('/') != std::string::npos || file == "." || file == "..") {
    return Wanted("file", file, "the name of a file in the data's directory");
  }
  MOE_RETURN_IF_ERROR(
      Annotate(ValidateTokenizeOptions(dataset.tokenize()), "tokenize"));
  return Annotate(ValidateBatchOptions(dataset.batch()), "batch");
}

absl::StatusOr<std::vector<PlannedStep>> PlanSteps(const ExperimentSpec& spec) {
  MOE_RETURN_IF_ERROR(CheckHead(spec));
  Steps steps;
  for (int i = 0; i < spec.steps_size(); ++i) {
    absl::StatusOr<PlannedStep> step =
        StepPlanner(spec, steps).Plan(spec.steps(i));
    if (!step.ok()) {
      return Annotate(step.status(), Place("steps", i, spec.steps(i).name()));
    }
    steps.push_back(*std::move(step));
  }
  return steps;
}

absl::StatusOr<PlannedStep> FindStep(const std::vector<PlannedStep>& steps,
                                     absl::string_view name) {
  std::vector<std::string> names;
  for (const PlannedStep& step : steps) {
    if (step.name == name) return step;
    names.push_back(step.name);
  }
  return absl::NotFoundError(
      absl::StrCat("the experiment has no step \"", name,
                   "\"; it has: ", absl::StrJoin(names, ", ")));
}

}  // namespace moe
