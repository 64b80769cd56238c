// The assignment step of balanced k-means. It assigns every token to a cluster,
// at the least total cost that the bounds on the clusters' sizes allow.
//
// A transportation problem: minimise
//   sum_t cost[t, c(t)] subject to min_size <= |{t: c(t) = e}| <= max_size
// for every cluster e (Bradley, Bennett and Demiriz, "Constrained K-Means
// Clustering", 2000, section 3). The result is the exact optimum. It is not a
// heuristic's, and it has no tolerance.
//
// Start: every token goes to the cluster with the least cost plus price. This
// is optimal for the sizes that it gives. Repair: successive shortest paths
// (Ahuja, Magnanti and Orlin, "Network Flows", 1993, section 9.7) bring the
// sizes into their bounds. The residual graph has a node for each cluster and
// one node for sizes. Its edge a -> b between clusters is the cheapest move of
// a token from a to b. It comes from a heap with lazy deletion, which holds the
// few cheapest moves at first and more when a path needs them. By duality, a
// cluster with a positive price must be full, and one with a negative price
// must have its least size. The repair makes it so, and the result is an
// optimum whatever the prices were.

#ifndef MOE_GATES_BALANCED_ASSIGNMENT_H_
#define MOE_GATES_BALANCED_ASSIGNMENT_H_

#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"

namespace moe::gates {

inline constexpr int64_t kMaxAssignedTokens =
    std::numeric_limits<int32_t>::max();

struct SizeBounds {
  int64_t min_size = 0;
  int64_t max_size = 0;
  friend bool operator==(const SizeBounds&, const SizeBounds&) = default;
};

// The bounds for `jitter` j in [0, 1], T tokens and E clusters:
//   min_size = max(0, floor(T / E (1 - j)))
//   max_size = min(T, ceil(T / E (1 + j)))
// with a tolerance of 1e-9 + 1e-12 T / E, so that the rounding of a decimal j
// moves no bound.
SizeBounds BalancedBounds(int64_t num_tokens, int64_t num_clusters,
                          double jitter);

// Finds assignments one after another and keeps its memory for the next.
// Movable.
class BalancedAssigner {
 public:
  BalancedAssigner();
  BalancedAssigner(BalancedAssigner&&) noexcept;
  BalancedAssigner& operator=(BalancedAssigner&&) noexcept;
  ~BalancedAssigner();

  // Returns an optimal assignment, [num_tokens], for costs [num_tokens,
  // num_clusters]. It is valid until the next call. A cost counts as a multiple
  // of 2^(p - 50), where 2^p is the power of two above the largest magnitude.
  // Every float within a factor of 2^26 of that magnitude is such a multiple.
  // The optimum is that of these integers, and all arithmetic on them is exact.
  // Among several optimal assignments it is always the same one: a function of
  // the costs, the bounds and the prices alone.
  //
  // `prices`, [num_clusters], are the start. Those of a similar problem save
  // most of the work; zeros are a cold start. On return they are prices of the
  // optimum: every token is where its cost + price is least; a price is at
  // least 0 if its cluster has more than min_size tokens, and at most 0 if it
  // has fewer than max_size. The start is cold, too, if a price is not finite
  // or larger than 2^(p + 1) in magnitude, or if the prices lead far from the
  // bounds.
  //
  // Takes about O(T E + m (E^2 + E log T)) for m moves; the threads share the
  // first part. Memory: up to 16 bytes for each token and cluster and 32 for
  // each token; all but 12 of these may be kept with twice the room.
  //
  // InvalidArgument if there are no clusters or more than kMaxExperts, no
  // assignment keeps the bounds, or a cost is NaN or infinite.
  absl::StatusOr<absl::Span<const int32_t>> Assign(
      base::MatrixView<const float> costs, const SizeBounds& bounds,
      absl::Span<double> prices, base::ThreadPool& pool);

 private:
  class Problem;
  std::unique_ptr<Problem> problem_;
};

}  // namespace moe::gates

#endif  // MOE_GATES_BALANCED_ASSIGNMENT_H_
