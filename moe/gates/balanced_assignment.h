// The assignment step of balanced k-means: every token to a cluster, at the
// least cost that bounds on the clusters' sizes allow.
//
// A transportation problem: minimise sum_t cost[t, c(t)] subject to min_size <=
// |{t: c(t) = e}| <= max_size for every cluster e (Bradley, Bennett and
// Demiriz, "Constrained K-Means Clustering", 2000, section 3). The optimum is
// exact: not a heuristic's, and not within a tolerance.
//
// It starts from every token's cheapest cluster, with a price added to each
// cluster's costs, which is optimal for the sizes that result, and repairs
// these by successive shortest paths (Ahuja, Magnanti and Orlin, "Network
// Flows", 1993, section 9.7) in the residual graph over the clusters and a node
// for sizes alone. Its edge a -> b between clusters is the cheapest move of a
// token from a to b, out of a heap with lazy deletion of those few moves that
// are cheapest beside the prices; more are looked for where a path would need
// them. A price that is not 0 demands, as duality does, that its cluster is
// full, or has no token more than it must: what is lacking is repaired alike,
// so that whatever the prices, the result is an optimum.

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

namespace moe {

inline constexpr int64_t kMaxAssignedTokens =
    std::numeric_limits<int32_t>::max();

struct SizeBounds {
  int64_t min_size = 0;
  int64_t max_size = 0;
  friend bool operator==(const SizeBounds&, const SizeBounds&) = default;
};

// For `jitter` j in [0, 1], T tokens and E clusters:
//   min_size = max(0, floor(T / E (1 - j)))
//   max_size = min(T, ceil(T / E (1 + j)))
// up to 1e-9 + 1e-12 T / E, so that the rounding of a decimal j moves no bound.
SizeBounds BalancedBounds(int64_t num_tokens, int64_t num_clusters,
                          double jitter);

// Finds assignments, one after another, in memory that it keeps. Movable.
class BalancedAssigner {
 public:
  BalancedAssigner();
  BalancedAssigner(BalancedAssigner&&) noexcept;
  BalancedAssigner& operator=(BalancedAssigner&&) noexcept;
  ~BalancedAssigner();

  // An optimal assignment, [num_tokens], for costs [num_tokens, num_clusters];
  // valid until the next call, during which `costs` must stay. Costs count as
  // multiples of 2^-50 of the largest magnitude's power of two, which every
  // float within a factor of 2^26 of it is exactly; the optimum is of these
  // integers, all arithmetic being exact. Of several optimal assignments, a
  // fixed one: a function of the costs, the bounds and the prices alone.
  //
  // `prices`, [num_clusters], are where to start from: those that came out of a
  // similar problem save most of the work, zeros are for none. They are left
  // with an optimum's: every token is where its cost + price is least; a price
  // is at least 0 where a cluster has more than min_size tokens, and at most 0
  // where it has less than max_size. If one is not finite or of more than twice
  // the power of two above the largest cost, or if the start would be far from
  // the bounds, zeros count.
  //
  // About O(T E + m (E^2 + E log T)) for m moves, of which the first part is
  // shared by the threads. Takes up to 16 bytes for each token and cluster and
  // 32 for each token; twice the room may be kept for all but 12 of these.
  //
  // InvalidArgument if there are no clusters or more than kMaxExperts, the
  // bounds admit no assignment, or a cost is NaN or infinite.
  absl::StatusOr<absl::Span<const int32_t>> Assign(
      MatrixView<const float> costs, const SizeBounds& bounds,
      absl::Span<double> prices, ThreadPool& pool);

 private:
  class Problem;
  std::unique_ptr<Problem> problem_;
};

}  // namespace moe

#endif  // MOE_GATES_BALANCED_ASSIGNMENT_H_
