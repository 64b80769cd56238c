// The first centroids of balanced k-means. Not for use elsewhere.

#ifndef MOE_GATES_KMEANS_SEEDING_H_
#define MOE_GATES_KMEANS_SEEDING_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/matrix.h"
#include "moe/base/philox.h"
#include "moe/gates/kmeans_points.h"

namespace moe::gates {

// Greedy k-means++ (Arthur and Vassilvitskii, "k-means++: The Advantages of
// Careful Seeding", 2007, section 6). The first centre is any point. For each
// further centre, draws 2 + ln E points, rounded down, each with a probability
// in proportion to its distance to the nearest centre so far. Takes the point
// that leaves the least sum of such distances; of equal ones, the first drawn.
// The sums are order-free.
//
// Element r holds the centres of restart r, [num_experts, num_features], drawn
// from streams[r]. All restarts share each of the E passes over the points.
// Takes 4 bytes for each point, restart and candidate. `set_detail` may be
// empty.
absl::StatusOr<std::vector<base::Matrix<float>>> SeedCentroids(
    KmeansPoints& points, int64_t num_experts,
    absl::Span<base::RandomStream> streams,
    const std::function<void(absl::string_view)>& set_detail);

// Draws `count` indices, with replacement, each with a probability in
// proportion to its weight; uniformly if all weights are zero. There must be at
// least one weight, and all must be finite and not negative.
//
// Uses integers alone, so that the result is the same on every machine. A
// weight counts as a multiple of 2^(p - b), where 2^p is the power of two above
// the largest weight and b = 62 - ceil(log2 n). The sum fits 63 bits.
std::vector<int64_t> DrawByWeight(absl::Span<const float> weights,
                                  int64_t count, base::RandomStream& stream);

}  // namespace moe::gates

#endif  // MOE_GATES_KMEANS_SEEDING_H_
