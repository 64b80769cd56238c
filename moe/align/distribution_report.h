// What is worth knowing of a hidden distribution beside its moments: as JSON
// and as a table.

#ifndef MOE_ALIGN_DISTRIBUTION_REPORT_H_
#define MOE_ALIGN_DISTRIBUTION_REPORT_H_

#include <string>

#include "moe/base/json.h"
#include "moe/checkpoint/artifact/distribution.h"

namespace moe {

// {"hidden_size", "blocks": [{"layer", "part", "num_tokens",
// "largest_abs_mean", "least_variance", "largest_variance",
// "num_dead_features"}]}. A feature is dead as DeadFeatures says.
Json DistributionReportToJson(const Distribution& distribution);

// A line for each block, likewise.
std::string FormatDistributionReport(const Distribution& distribution);

}  // namespace moe

#endif  // MOE_ALIGN_DISTRIBUTION_REPORT_H_
