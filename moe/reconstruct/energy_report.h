// What split_energy says of each layer.

#ifndef MOE_RECONSTRUCT_ENERGY_REPORT_H_
#define MOE_RECONSTRUCT_ENERGY_REPORT_H_

#include <string>

#include "moe/base/json.h"
#include "moe/reconstruct/energy_split.h"
#include "moe/reconstruct/energy_split_options.pb.h"

namespace moe::reconstruct {

// {"options": {...}, "layers": [{"layer", "expert_size", "shared_size",
// "shared_share", "captured_share", "oracle_share", "captured_by_iteration",
// "best_iteration", "least_load", "largest_load", "seconds"}]}.
//
// shared_share is the energy of the shared neurons by that of all. The other
// shares are by the energy of the routed neurons: what the router's choice
// captures, what the experts of the most energy would, and what each iteration
// captured. Loads are the least and the most tokens of an expert, by those of
// an even load, T top_k / E. A share is 0 where there is no energy.
base::Json EnergySplitReportToJson(const EnergySplitOptions& options,
                                   const EnergySplit& split);

// The sizes, and a line for each layer.
std::string FormatEnergySplitReport(const EnergySplit& split);

}  // namespace moe::reconstruct

#endif  // MOE_RECONSTRUCT_ENERGY_REPORT_H_
