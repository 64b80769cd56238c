// What the options of clustering may be, and what they are where they are not
// set.

#ifndef MOE_GATES_CLUSTERING_OPTIONS_H_
#define MOE_GATES_CLUSTERING_OPTIONS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "moe/gates/clustering_options.pb.h"

namespace moe {

// The published setting.
inline constexpr double kDefaultBalanceJitterFactor = 0.4;
inline constexpr int64_t kDefaultMaxIterations = 100;
inline constexpr int64_t kDefaultNumRestarts = 16;
// More would only take time.
inline constexpr int64_t kMaxRestarts = 10000;
inline constexpr int64_t kMaxIterations = 1000000;

// OK, or InvalidArgument with the field, its value and what is allowed.
absl::Status ValidateClusteringOptions(const ClusteringOptions& options);

int64_t MaxIterations(const ClusteringOptions& options);
int64_t NumRestarts(const ClusteringOptions& options);

}  // namespace moe

#endif  // MOE_GATES_CLUSTERING_OPTIONS_H_
