// The sums over tokens of this package, one token and one feature at a time.

#ifndef MOE_KERNELS_SUMS_TESTING_SUMS_REFERENCE_H_
#define MOE_KERNELS_SUMS_TESTING_SUMS_REFERENCE_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "moe/base/matrix_view.h"

namespace moe::kernels::reference {

// Row r is token first_token + r, and the first token is at a chunk's border.
std::vector<double> FeatureSums(base::MatrixView<const float> rows,
                                int64_t first_token, bool is_absolute,
                                int fraction_bits);

struct MeanAndVariance {
  std::vector<double> means;
  std::vector<double> variances;
};
MeanAndVariance Moments(base::MatrixView<const float> rows,
                        int64_t first_token);

struct ClusterSums {
  std::vector<double> sums;  // [num_clusters, num_features]
  std::vector<double> weights;
  std::vector<int64_t> counts;
};
// `weights` may be empty.
ClusterSums CentroidSums(base::MatrixView<const float> rows,
                         int64_t first_token,
                         absl::Span<const int32_t> clusters,
                         absl::Span<const float> weights, int64_t num_clusters,
                         bool is_absolute, int fraction_bits);

}  // namespace moe::kernels::reference

#endif  // MOE_KERNELS_SUMS_TESTING_SUMS_REFERENCE_H_
