// Balanced k-means: the clusters of a layer's tokens whose centroids are the
// rows of its router.
//
// Lloyd's algorithm whose assignment step is the exact optimum under bounds on
// the clusters' sizes (moe/gates/balanced_assignment.h), seeded by greedy
// k-means++ (moe/gates/kmeans_seeding.h). All restarts advance together, so
// that one pass over the points serves the distances, and one the sums, of all
// of them.
//
// Bits: a function of the points, the options and the name of the stream. Not
// of the memory budget, the number of threads or the SIMD target.

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

namespace moe {

struct ClusteringSize {
  int64_t num_points = 0;
  int64_t num_features = 0;
  int num_threads = 1;
};

// Memory for restarts to run in at once.
struct ClusteringMemory {
  int64_t restarts_at_once = 1;
  MemoryBudget::Reservation reservation;

  // As many restarts as a quarter of what is left of the budget has room for,
  // at least one: ResourceExhausted if there is no room for that.
  static absl::StatusOr<ClusteringMemory> Reserve(
      const ClusteringSize& size, const ClusteringOptions& options,
      MemoryBudget& budget);
};

// What a clustering works with, besides its points.
struct ClusteringResources {
  const ClusteringMemory& memory;
  ThreadPool& pool;
  // Told how far the work has come, in words; may be empty.
  std::function<void(absl::string_view)> set_detail;
};

struct ClusteringRestart {
  // Of the final centroids: the assignment's cost, sum_t d(x_t, c(t)).
  double inertia = 0.0;
  int64_t num_iterations = 0;
  bool has_converged = false;  // Else max_iter ended it.
  // Cost of the assignment in each iteration: never rises, but for the error of
  // distances (moe/kernels/rows/distances.h).
  std::vector<double> iteration_costs;
};

struct Clustering {
  SizeBounds bounds;
  // The best restart's, [num_experts, hidden_size].
  Matrix<float> centroids;
  std::vector<int64_t> sizes;  // [num_experts], in the assignment to centroids.
  // Tokens for which x . centroid is the largest, ties to the lowest expert.
  std::vector<int64_t> routed_counts;
  std::vector<ClusteringRestart> restarts;
  int64_t best_restart = 0;  // Least inertia, ties to the first.
};

// InvalidArgument if the options are not valid, there are fewer points than
// experts, or more points than BalancedAssigner takes.
absl::Status CheckClustering(int64_t num_points,
                             const ClusteringOptions& options);

// Clusters all rows of `points`. Restart r draws from RandomStream(seed,
// "STREAM_NAME/restart/r"). An iteration is the assignment to the centroids and
// then the new centroids: for L2 the means of the tokens assigned, for COS
// their means with weights 1 / |x_t|, which point where the sum of cosines is
// largest. They are order-free sums, rounded to float; a cluster without tokens
// of a direction keeps its centroid. A restart
// ends when the sum of squared changes of its centroids is at most 1e-3 times
// the mean over features of the points' variance.
//
// Cost of an iteration: the products of all points with all centroids,
// BalancedAssigner, which starts from the prices of the iteration before, and
// CentroidSums over those chunks whose tokens have changed clusters.
//
// InvalidArgument as of CheckClustering, or if a number is NaN or infinite;
// OutOfRange if the squares of a feature sum to 2^55 or more.
absl::StatusOr<Clustering> ClusterBalanced(
    HiddenStates& points, const ClusteringOptions& options,
    absl::string_view stream_name, const ClusteringResources& resources);

}  // namespace moe

#endif  // MOE_GATES_BALANCED_KMEANS_H_
