#include "moe/experiment/report/evaluation_section.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/check.h"
#include "moe/base/json.h"
#include "moe/base/status_macros.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/experiment_spec.pb.h"
#include "moe/experiment/metrics.h"
#include "moe/experiment/report/report_values.h"
#include "moe/experiment/step_plan.h"

namespace moe::experiment {
namespace {

// The element of that name, in the steps of a spec or of a lock.
template <typename List>
auto FindNamed(const List& list, absl::string_view name) {
  return std::find_if(list.begin(), list.end(), [&](const auto& element) {
    return element.name() == name;
  });
}

std::string DescribeMlp(const MlpConversionStep& step) {
  return absl::StrCat(
      "experts in the MLPs, ",
      step.neuron_indices().empty()
          ? "of neurons in their order"
          : absl::StrCat("by the split of step ", step.neuron_indices()),
      step.gate_weights().empty() ? ", routers drawn at random" : "");
}

// Describes a later part of the chain: "DENSE; PART", or "PART" alone where
// nothing comes before it.
std::string After(const ExperimentSpec& spec, const std::string& checkpoint,
                  absl::string_view part) {
  if (checkpoint.empty()) return std::string(part);
  return absl::StrCat(DescribeCheckpoint(spec, checkpoint), "; ", part);
}

base::Json CheckpointName(const EvaluationStep& step) {
  return step.checkpoint().empty() ? base::Json(nullptr)
                                   : base::Json(step.checkpoint());
}

void AddMetrics(const StepLock& step, base::Json& evaluation) {
  for (const Metric& metric : step.metrics()) {
    switch (metric.value_case()) {
      case Metric::kNumber:
        evaluation[metric.name()] = NumberToJson(metric.number());
        break;
      case Metric::kCount:
        evaluation[metric.name()] = metric.count();
        break;
      case Metric::kDigest:
        evaluation[metric.name()] = metric.digest();
        break;
      case Metric::VALUE_NOT_SET:
        break;
    }
  }
}

// One entry for a part that some layer of the evaluation has.
absl::StatusOr<base::Json> LoadOfPart(const std::vector<base::Json>& layers,
                                      const char* part) {
  base::Json load = {{"part", part},
                     {"layers", base::Json::array()},
                     {"tokens", base::Json::array()}};
  for (const base::Json& layer : layers) {
    const base::Json* const tokens = base::FindField(layer, part);
    if (tokens == nullptr) continue;
    if (!tokens->is_array()) {
      return absl::InvalidArgumentError(
          absl::StrCat("expert_load: ", part, " is not a list"));
    }
    MOE_ASSIGN_OR_RETURN(const int64_t number,
                         base::Get<int64_t>(layer, "layer"));
    load["layers"].push_back(number);
    load["tokens"].push_back(*tokens);
  }
  return load;
}

absl::Status AddLoads(const EvaluationStep& evaluation, const std::string& step,
                      const base::Json& report, base::Json& loads) {
  MOE_ASSIGN_OR_RETURN(const std::vector<base::Json> layers,
                       ObjectsIn(report, "expert_load"));
  for (const char* const part : {"mlp", "attention"}) {
    MOE_ASSIGN_OR_RETURN(const base::Json load, LoadOfPart(layers, part));
    if (load["layers"].empty()) continue;
    base::Json entry = {{"step", step},
                        {"checkpoint", CheckpointName(evaluation)}};
    entry.update(load);
    loads.push_back(entry);
  }
  return absl::OkStatus();
}

std::string BoundText(const AcceptanceCriterion& criterion, double bound) {
  if (!criterion.has_at_most_metric()) return FormatNumber(bound);
  const ScaledMetric& other = criterion.at_most_metric();
  if (!other.has_times() || other.times() == 1) {
    return absl::StrCat(other.metric(), ", ", FormatNumber(bound));
  }
  return absl::StrCat(FormatNumber(other.times()), " times ", other.metric(),
                      ", ", FormatNumber(bound));
}

std::string CriterionSentence(const AcceptanceCriterion& criterion,
                              const CriterionResult& result) {
  const bool compares = criterion.has_at_most_metric() &&
                        (!criterion.at_most_metric().has_times() ||
                         criterion.at_most_metric().times() == 1) &&
                        !absl::EndsWith(criterion.metric(), "_tokens");
  std::string relation = criterion.has_at_least() ? "at least" : "at most";
  if (compares) {
    relation = result.met && result.value == result.bound ? "as good as"
                                                          : "better than";
  }
  return absl::StrCat(criterion.metric(), ", ", FormatNumber(result.value),
                      result.met ? ", is " : ", is not ", relation, " ",
                      BoundText(criterion, result.bound));
}

}  // namespace

std::string DescribeCheckpoint(const ExperimentSpec& spec,
                               absl::string_view step) {
  const auto found = FindNamed(spec.steps(), step);
  if (found == spec.steps().end()) return "the dense model";
  if (found->has_convert_mlp()) return DescribeMlp(found->convert_mlp());
  if (found->has_remove_neurons()) {
    return absl::StrCat(found->remove_neurons().options().num_neurons(),
                        " neurons in each MLP, the same for every token");
  }
  if (found->has_convert_attention()) {
    return After(spec, found->convert_attention().checkpoint(),
                 "experts in attention");
  }
  if (found->has_reconstruct()) {
    return After(spec, found->reconstruct().checkpoint(), "reconstructed");
  }
  return After(spec, found->align().checkpoint(), "aligned");
}

base::Json EvaluationsToJson(const ExperimentSpec& spec,
                             const ExperimentLock& found) {
  base::Json evaluations = base::Json::array();
  std::map<std::string, double> dense;  // By dataset.
  for (const ExperimentStep& step : spec.steps()) {
    const auto made = FindNamed(found.steps(), step.name());
    if (!step.has_evaluate() || made == found.steps().end()) continue;
    base::Json evaluation = {
        {"step", step.name()},
        {"checkpoint", CheckpointName(step.evaluate())},
        {"description", DescribeCheckpoint(spec, step.evaluate().checkpoint())},
        {"dataset", step.evaluate().dataset()}};
    AddMetrics(*made, evaluation);
    const auto maker = FindNamed(spec.steps(), step.evaluate().checkpoint());
    if (maker != spec.steps().end() && maker->has_align()) {
      evaluation["aligned_from"] = maker->align().checkpoint();
    }
    if (step.evaluate().checkpoint().empty()) {
      dense[step.evaluate().dataset()] = NumberOfJson(evaluation["perplexity"]);
    }
    evaluations.push_back(evaluation);
  }
  for (base::Json& evaluation : evaluations) {
    const auto base = dense.find(evaluation["dataset"].get<std::string>());
    if (base == dense.end()) continue;
    evaluation["times_dense"] =
        NumberToJson(NumberOfJson(evaluation["perplexity"]) / base->second);
  }
  return evaluations;
}

absl::StatusOr<base::Json> ExpertLoadToJson(const ExperimentSpec& spec,
                                            absl::string_view results) {
  base::Json loads = base::Json::array();
  for (const ExperimentStep& step : spec.steps()) {
    if (!step.has_evaluate()) continue;
    MOE_ASSIGN_OR_RETURN(
        const base::Json report,
        ReadStepReport(step.name(), steps::OutputKind::kEvaluation, results));
    MOE_RETURN_IF_ERROR(
        base::Annotate(AddLoads(step.evaluate(), step.name(), report, loads),
                       absl::StrCat("report of step \"", step.name(), "\"")));
  }
  return loads;
}

base::Json CriteriaToJson(const ExperimentSpec& spec,
                          const std::vector<CriterionResult>& results) {
  MOE_CHECK(spec.criteria_size() == static_cast<int>(results.size()));
  base::Json criteria = base::Json::array();
  for (int i = 0; i < spec.criteria_size(); ++i) {
    const CriterionResult& result = results[static_cast<size_t>(i)];
    criteria.push_back(
        {{"met", result.met},
         {"sentence", CriterionSentence(spec.criteria(i), result)},
         {"metric", spec.criteria(i).metric()},
         {"value", NumberToJson(result.value)},
         {"bound", NumberToJson(result.bound)}});
  }
  return criteria;
}

}  // namespace moe::experiment
