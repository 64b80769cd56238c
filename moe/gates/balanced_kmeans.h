// Balanced k-means over the tokens of a layer. The centroids of the clusters
// are the rows of the layer's router.
//
// Lloyd's algorithm, seeded by greedy k-means++ (moe/gates/kmeans_seeding.h).
// The assignment step is the exact optimum under bounds on the clusters' sizes
// (moe/gates/balanced_assignment.h). All restarts advance together: an
// iteration makes one pass over the points for the distances of all of them,
// and one for the sums.
//
// Bits: a function of the points, the options and the name of the stream. They
// do not depend on the memory budget, the number of threads or the SIMD target.

#ifndef MOE_GATES_BALANCED_KMEANS_H_
#define MOE_GATES_BALANCED_KMEANS_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/base/matrix.h"
#include "moe/base/memory_budget.h"
#include "moe/base/thread_pool.h"
#include "moe/gates/balanced_assignment.h"
#include "moe/gates/clustering_options.pb.h"
#include "moe/model/walk/hidden_states.h"

namespace moe::gates {

struct ClusteringSize {
  int64_t num_points = 0;
  int64_t num_features = 0;
  int num_threads = 1;
};

// The memory of the restarts that run together.
struct ClusteringMemory {
  int64_t restarts_at_once = 1;
  base::MemoryBudget::Reservation reservation;

  // Takes at most a quarter of what is left of the budget, or the memory of one
  // restart if that is more. ResourceExhausted if there is no room for one.
  static absl::StatusOr<ClusteringMemory> Reserve(
      const ClusteringSize& size, const ClusteringOptions& options,
      base::MemoryBudget& budget);
};

// What a clustering uses besides its points.
struct ClusteringResources {
  const ClusteringMemory& memory;
  base::ThreadPool& pool;
  // Takes the progress in words; may be empty.
  std::function<void(absl::string_view)> set_detail;
};

struct ClusteringRestart {
  // The cost of the assignment to the final centroids, sum_t d(x_t, c(t)).
  double inertia = 0.0;
  int64_t num_iterations = 0;
  bool has_converged = false;  // If not, max_iter ended it.
  // The cost of the assignment in each iteration. It never rises by more than
  // the error of the distances (moe/kernels/rows/distances.h).
  std::vector<double> iteration_costs;
};

struct Clustering {
  SizeBounds bounds;
  // Those of the best restart, [num_experts, hidden_size].
  base::Matrix<float> centroids;
  std::vector<int64_t> sizes;  // [num_experts], in the assignment to them.
  // The number of tokens with the largest x . centroid, ties to the lowest
  // expert.
  std::vector<int64_t> routed_counts;
  std::vector<ClusteringRestart> restarts;
  int64_t best_restart = 0;  // The least inertia; ties to the first.
};

// InvalidArgument if an option is not valid, or there are fewer points than
// experts or more than kMaxAssignedTokens.
absl::Status CheckClustering(int64_t num_points,
                             const ClusteringOptions& options);

// Clusters all rows of `points`. Restart r draws from RandomStream(seed,
// "STREAM_NAME/restart/r"). An iteration assigns the tokens to the centroids
// and then moves the centroids: for L2 to the means of their tokens; for COS to
// the means with weights 1 / |x_t|, whose direction has the largest sum of
// cosines. The means are order-free sums, rounded to float. A cluster keeps its
// centroid if its weights are all 0. A restart ends when the sum of squared
// changes of its centroids is at most 1e-3 times the variance of the points,
// averaged over the features.
//
// Cost of an iteration: the products of all points with all centroids;
// BalancedAssigner, which starts from the prices of the iteration before; and
// CentroidSums over the chunks whose tokens have changed clusters.
//
// Errors: those of CheckClustering; InvalidArgument if a number is NaN or
// infinite; OutOfRange if the squares of a feature sum to 2^55 or more.
absl::StatusOr<Clustering> ClusterBalanced(
    model::HiddenStates& points, const ClusteringOptions& options,
    absl::string_view stream_name, const ClusteringResources& resources);

}  // namespace moe::gates

#endif  // MOE_GATES_BALANCED_KMEANS_H_
