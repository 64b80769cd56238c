// The metrics of an evaluation that a lock pins, and the bounds that a spec
// sets on them.

#ifndef MOE_EXPERIMENT_METRICS_H_
#define MOE_EXPERIMENT_METRICS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/experiment_spec.pb.h"

namespace moe::experiment {

// loss, perplexity, num_predicted_tokens and losses_digest of the report that
// `evaluate --report_out` writes, in this order. Errors of reading and of JSON;
// InvalidArgument, with path and field, where one is missing or no number. JSON
// has null for a number that is not finite. It is read as NaN, but as infinity
// for a perplexity beside a finite loss.
absl::StatusOr<std::vector<Metric>> ReadEvaluationMetrics(
    absl::string_view path);

// "1.2708", "6391", "ad13...": the value, as exactly as it is.
std::string FormatMetric(const Metric& metric);

// To the bit.
bool SameMetric(const Metric& a, const Metric& b);

// OK, or InvalidArgument with the criterion and what is allowed: metrics are
// "STEP.METRIC" of an evaluation of the spec, with a number; bounds are finite;
// factors are finite and above 0.
absl::Status ValidateCriteria(const ExperimentSpec& spec);

struct CriterionResult {
  // "converted.perplexity is 9.5; at most 12 = 6 * dense.perplexity (2)"
  std::string text;
  bool met = false;
  double value = 0;
  // What the value may at most, or must at least, be.
  double bound = 0;
};

// In the order of the spec, which is valid. NotFound if the lock does not have
// the metric.
absl::StatusOr<std::vector<CriterionResult>> CheckCriteria(
    const ExperimentSpec& spec, const ExperimentLock& found);

}  // namespace moe::experiment

#endif  // MOE_EXPERIMENT_METRICS_H_
