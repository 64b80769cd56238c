// The numbers of an evaluation that a lock pins.

#ifndef MOE_EXPERIMENT_EVALUATION_METRICS_H_
#define MOE_EXPERIMENT_EVALUATION_METRICS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/experiment/experiment_lock.pb.h"

namespace moe {

// loss, perplexity, num_predicted_tokens and losses_digest of the report that
// `evaluate --report_out` writes, in this order. Errors of reading and of JSON;
// InvalidArgument, with path and field, where one is missing or no number. A
// null, which is how JSON says that a number is none, is NaN, and infinity as a
// perplexity beside a loss that is a number.
absl::StatusOr<std::vector<Metric>> ReadEvaluationMetrics(
    absl::string_view path);

// "1.2708", "6391", "ad13...": the value, as exactly as it is.
std::string FormatMetric(const Metric& metric);

// To the bit.
bool SameMetric(const Metric& a, const Metric& b);

}  // namespace moe

#endif  // MOE_EXPERIMENT_EVALUATION_METRICS_H_
