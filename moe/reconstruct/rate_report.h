// What split_activation_rate says of each layer.

#ifndef MOE_RECONSTRUCT_RATE_REPORT_H_
#define MOE_RECONSTRUCT_RATE_REPORT_H_

#include <string>

#include "moe/base/json.h"
#include "moe/reconstruct/rate_split.h"
#include "moe/reconstruct/rate_split_options.pb.h"

namespace moe::reconstruct {

// {"options": {...}, "layers": [{"layer", "expert_size", "shared_size",
// "shared_share", "captured_share", "oracle_share", "iterations",
// "spread_by_iteration", "representatives", "least_load", "largest_load",
// "seconds"}]}.
//
// shared_share is the activations of the shared neurons by all: the sum of
// their rates by that of all rates. The other shares are by the activations of
// the routed neurons: those of the experts that the router chooses, and those
// that the best choice has. A share is 0 where there are none. Loads are the
// least and the most tokens of an expert, by those of an even load, T top_k /
// E.
base::Json ActivationRateSplitReportToJson(
    const ActivationRateSplitOptions& options,
    const ActivationRateSplit& split);

// The sizes, and a line for each layer.
std::string FormatActivationRateSplitReport(const ActivationRateSplit& split);

}  // namespace moe::reconstruct

#endif  // MOE_RECONSTRUCT_RATE_REPORT_H_
