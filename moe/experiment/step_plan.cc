#include "moe/experiment/step_plan.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "moe/base/check.h"
#include "moe/base/options/options.h"
#include "moe/base/status_macros.h"
#include "moe/experiment/experiment_spec.pb.h"
#include "moe/steps/all_steps.h"
#include "moe/steps/step_kind.h"

namespace moe::experiment {
namespace {

// Leaves room for endings in the 255 bytes of a file's name.
constexpr size_t kMaxNameBytes = 64;

bool IsNameCharacter(char c) {
  return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '_';
}

}  // namespace

absl::Status CheckSpecName(absl::string_view name, absl::string_view field) {
  if (!name.empty() && name.size() <= kMaxNameBytes &&
      absl::ascii_islower(name[0]) &&
      std::all_of(name.begin(), name.end(), IsNameCharacter)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat(field,
                   ": expected lower-case letters, digits and underscores, a "
                   "letter first, at most ",
                   kMaxNameBytes, ", found \"", name, "\""));
}

namespace {

using ::google::protobuf::Descriptor;
using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;

using Steps = std::vector<PlannedStep>;

absl::Status Unexpected(absl::string_view field, absl::string_view expected,
                        absl::string_view found) {
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": expected ", expected, ", found \"", found, "\""));
}

std::string FieldText(const Message& message, const std::string& name) {
  const FieldDescriptor* const field =
      message.GetDescriptor()->FindFieldByName(name);
  MOE_CHECK(field != nullptr);
  return message.GetReflection()->GetString(message, field);
}

// Whether the fields that are no options have the values that the kind has.
bool IsOfKind(const steps::StepKind& kind, const Message* options) {
  if (options == nullptr || kind.options == nullptr) return true;
  const Descriptor& type = *options->GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (base::OptionOf(field).what().empty() &&
        base::OptionText(*options, field) !=
            base::OptionText(*kind.options, field)) {
      return false;
    }
  }
  return true;
}

// The kind of a step of a spec; such a field has one.
const steps::StepKind& KindOf(absl::string_view field, const Message* options) {
  const std::vector<steps::StepKind>& kinds = steps::AllSteps();
  const auto found = std::find_if(
      kinds.begin(), kinds.end(), [&](const steps::StepKind& kind) {
        return kind.field == field && IsOfKind(kind, options);
      });
  MOE_CHECK(found != kinds.end());
  return *found;
}

// Makes one step of the spec, given those before it.
class StepPlanner {
 public:
  StepPlanner(const ExperimentSpec& spec, const Steps& earlier)
      : spec_(spec), earlier_(earlier) {}

  absl::StatusOr<PlannedStep> Plan(const ExperimentStep& step) {
    planned_.name = step.name();
    const FieldDescriptor* const field =
        step.GetReflection()->GetOneofFieldDescriptor(
            step, ExperimentStep::descriptor()->FindOneofByName("step"));
    if (field == nullptr) {
      return absl::InvalidArgumentError(
          "expected one of the fields of ExperimentStep, such as "
          "hidden_clustering, found none");
    }
    const Message& body = step.GetReflection()->GetMessage(step, field);
    const FieldDescriptor* const options_field =
        body.GetDescriptor()->FindFieldByName("options");
    const Message* const options =
        options_field == nullptr
            ? nullptr
            : &body.GetReflection()->GetMessage(body, options_field);
    planned_.request = steps::NewRequest(KindOf(field->name(), options));
    for (const steps::StepInputKind& input : kind().inputs) {
      MOE_RETURN_IF_ERROR(AddInput(body, input));
    }
    if (options != nullptr) {
      planned_.request.options->CopyFrom(*options);
      MOE_RETURN_IF_ERROR(
          base::Annotate(CheckStepOptions(*options), "options"));
    }
    return std::move(planned_);
  }

 private:
  const steps::StepKind& kind() const { return *planned_.request.kind; }

  absl::Status AddInput(const Message& body,
                        const steps::StepInputKind& input) {
    const std::string name =
        input.field.empty() ? "" : FieldText(body, input.field);
    switch (input.source) {
      case steps::StepInputKind::kDenseModel:
        AddModel(input);
        return absl::OkStatus();
      case steps::StepInputKind::kModel:
        return AddCheckpoint(input, name);
      case steps::StepInputKind::kDataset:
        return AddDataset(input, name);
      case steps::StepInputKind::kMade:
        if (name.empty() && !input.required) return absl::OkStatus();
        return AddMade(input, name);
    }
    MOE_CHECK(false);
    return absl::OkStatus();
  }

  // A model that may be left out is named where it is the dense one. A step
  // of that name goes first.
  absl::Status AddCheckpoint(const steps::StepInputKind& input,
                             const std::string& name) {
    if (name.empty() && !input.required) return absl::OkStatus();
    const bool is_step =
        std::any_of(earlier_.begin(), earlier_.end(),
                    [&](const PlannedStep& step) { return step.name == name; });
    const bool is_model =
        name.empty() || (!input.required && !is_step && name == spec_.model());
    if (!is_model) return AddMade(input, name);
    AddModel(input);
    return absl::OkStatus();
  }

  void AddModel(const steps::StepInputKind& input) {
    planned_.inputs.push_back(
        {input.flag, InputSource::kModel, spec_.model(), ""});
  }

  absl::Status AddDataset(const steps::StepInputKind& input,
                          const std::string& name) {
    const auto& datasets = spec_.datasets();
    const auto found = std::find_if(
        datasets.begin(), datasets.end(),
        [&](const ExperimentDataset& d) { return d.name() == name; });
    if (found == datasets.end()) {
      return Unexpected(input.field, "the name of one of the datasets", name);
    }
    planned_.inputs.push_back(
        {input.flag, InputSource::kData, name, found->file()});
    planned_.request.tokenize = found->tokenize();
    planned_.request.batch = found->batch();
    dataset_ = name;
    return absl::OkStatus();
  }

  absl::Status AddMade(const steps::StepInputKind& input,
                       const std::string& name) {
    std::vector<std::string> candidates;
    for (const PlannedStep& step : earlier_) {
      if (steps::Provides(step.output(), input.made))
        candidates.push_back(step.name);
    }
    if (std::find(candidates.begin(), candidates.end(), name) ==
        candidates.end()) {
      return Unexpected(
          input.field,
          absl::StrCat("an earlier step that makes ",
                       steps::OutputName(input.made),
                       candidates.empty() ? " (there is none)" : ": ",
                       absl::StrJoin(candidates, ", ")),
          name);
    }
    planned_.inputs.push_back(
        {input.flag, InputSource::kStep, name, steps::OutputFile(input.made)});
    return absl::OkStatus();
  }

  absl::Status CheckStepOptions(const Message& options) const {
    MOE_RETURN_IF_ERROR(steps::ValidateStepOptions(kind(), options));
    for (const absl::string_view name : kind().left_out) {
      const FieldDescriptor& field =
          *options.GetDescriptor()->FindFieldByName(std::string(name));
      const std::string text = base::OptionText(options, field);
      if (text == base::OptionText(*kind().options, field)) continue;
      return absl::InvalidArgumentError(
          absl::StrCat(name, ": expected nothing, as ", kind().name,
                       " has no use for it, found ", text, "; leave it out"));
    }
    return steps::SharesSeed(kind()) ? CheckSeedIsDatasets(options)
                                     : absl::OkStatus();
  }

  absl::Status CheckSeedIsDatasets(const Message& options) const {
    const int64_t seed = options.GetReflection()->GetInt64(
        options, options.GetDescriptor()->FindFieldByName("seed"));
    const int64_t of_dataset = planned_.request.batch.seed();
    if (seed == of_dataset) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(
        "seed: expected ", of_dataset, ", the seed of dataset \"", dataset_,
        "\", as the command has one --seed for both, found ", seed));
  }

  const ExperimentSpec& spec_;
  const Steps& earlier_;
  PlannedStep planned_;
  std::string dataset_;
};

// "steps[2] "scores"".
std::string Place(absl::string_view list, int index, absl::string_view name) {
  return absl::StrCat(list, "[", index, "] \"", name, "\"");
}

template <typename List>
absl::Status CheckNames(const List& list, absl::string_view what) {
  for (int i = 0; i < list.size(); ++i) {
    MOE_RETURN_IF_ERROR(base::Annotate(CheckSpecName(list[i].name(), "name"),
                                       absl::StrCat(what, "[", i, "]")));
    for (int j = 0; j < i; ++j) {
      if (list[j].name() != list[i].name()) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          Place(what, i, list[i].name()),
          ": expected a name of its own, found that of ", what, "[", j, "]"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckHead(const ExperimentSpec& spec) {
  MOE_RETURN_IF_ERROR(CheckSpecName(spec.name(), "name"));
  MOE_RETURN_IF_ERROR(CheckSpecName(spec.model(), "model"));
  MOE_RETURN_IF_ERROR(CheckSpecName(spec.data(), "data"));
  if (spec.steps().empty()) {
    return absl::InvalidArgumentError(
        "steps: expected one or more, found none");
  }
  MOE_RETURN_IF_ERROR(CheckNames(spec.datasets(), "datasets"));
  MOE_RETURN_IF_ERROR(CheckNames(spec.steps(), "steps"));
  for (int i = 0; i < spec.steps_size(); ++i) {
    if (spec.steps(i).name() != kReportDirectory) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        Place("steps", i, kReportDirectory),
        ": expected another name, as the results have their report under this "
        "one; choose another"));
  }
  for (int i = 0; i < spec.datasets_size(); ++i) {
    MOE_RETURN_IF_ERROR(
        base::Annotate(ValidateExperimentDataset(spec.datasets(i)),
                       Place("datasets", i, spec.datasets(i).name())));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ValidateExperimentDataset(const ExperimentDataset& dataset) {
  const std::string& file = dataset.file();
  if (file.find('/') != std::string::npos || file == "." || file == "..") {
    return Unexpected("file", "the name of a file in the data's directory",
                      file);
  }
  MOE_RETURN_IF_ERROR(
      base::Annotate(base::CheckOptions(dataset.tokenize()), "tokenize"));
  return base::Annotate(base::CheckOptions(dataset.batch()), "batch");
}

absl::StatusOr<std::vector<PlannedStep>> PlanSteps(const ExperimentSpec& spec) {
  MOE_RETURN_IF_ERROR(CheckHead(spec));
  Steps steps;
  for (int i = 0; i < spec.steps_size(); ++i) {
    absl::StatusOr<PlannedStep> step =
        StepPlanner(spec, steps).Plan(spec.steps(i));
    if (!step.ok()) {
      return base::Annotate(step.status(),
                            Place("steps", i, spec.steps(i).name()));
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

}  // namespace moe::experiment
