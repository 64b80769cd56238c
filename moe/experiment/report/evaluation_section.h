// What the evaluations of an experiment say, as JSON: how good the models are,
// and where their experts' tokens go.

#ifndef MOE_EXPERIMENT_REPORT_EVALUATION_SECTION_H_
#define MOE_EXPERIMENT_REPORT_EVALUATION_SECTION_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/base/json.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/experiment_spec.pb.h"
#include "moe/experiment/metrics.h"

namespace moe::experiment {

// "experts in the MLPs, by the split of step neurons; attention experts;
// aligned": how the checkpoint of that step came from the dense model, which
// the empty name is.
std::string DescribeCheckpoint(const ExperimentSpec& spec,
                               absl::string_view step);

// [{"step", "checkpoint", "description", "dataset", "loss", "perplexity",
// "times_dense", "num_predicted_tokens", "losses_digest",
// "aligned_from"}], in the order of the spec. "checkpoint" is null for the
// dense model; "aligned_from" is the step that made the checkpoint which an
// aligned one comes from, absent for others; "times_dense" is the
// perplexity over that of the dense model on the same dataset, absent without
// one. Numbers are as NumberToJson has them.
base::Json EvaluationsToJson(const ExperimentSpec& spec,
                             const ExperimentLock& found);

// [{"step", "checkpoint", "part", "layers", "tokens"}]: of each evaluation of a
// model with experts, for the parts "mlp" and "attention", which layers have
// them and how many tokens each expert of each of these got. Errors of
// ReadStepReport; InvalidArgument for a report of another form.
absl::StatusOr<base::Json> ExpertLoadToJson(const ExperimentSpec& spec,
                                            absl::string_view results);

// [{"met", "sentence", "metric", "value", "bound"}]. The sentence states the
// outcome: "evaluate_mlp.perplexity, 31.02, is not better than
// evaluate_sequential.perplexity, 17.73". `results` are CheckCriteria's.
base::Json CriteriaToJson(const ExperimentSpec& spec,
                          const std::vector<CriterionResult>& results);

}  // namespace moe::experiment

#endif  // MOE_EXPERIMENT_REPORT_EVALUATION_SECTION_H_
