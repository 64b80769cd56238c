// The passes over all points that balanced k-means makes. Not for use
// elsewhere.
//
// Points come block by block, from memory or a file. Every thread takes whole
// blocks, each small enough to stay in its cache. No result depends on the
// blocks or the threads: a distance is a function of its two vectors, and sums
// are order-free.

#ifndef MOE_GATES_KMEANS_POINTS_H_
#define MOE_GATES_KMEANS_POINTS_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/gates/clustering_options.pb.h"
#include "moe/kernels/sums/centroid_sums.h"
#include "moe/model/walk/hidden_states.h"

namespace moe::gates {

// The sums of the points of each cluster, kept for the next SumByCluster.
struct ClusteredPoints {
  std::vector<int32_t> clusters;  // [num_points]; empty before the first.
  std::optional<kernels::CentroidSums> sums;
};

class KmeansPoints {
 public:
  using Metric = ClusteringOptions::DistanceMetric;

  // Makes one pass, for the norms and the variance of the points.
  // InvalidArgument if a number is NaN or infinite. `points` and `pool` must
  // outlive the object.
  static absl::StatusOr<KmeansPoints> Create(model::HiddenStates& points,
                                             Metric metric,
                                             base::ThreadPool& pool);

  int64_t num_points() const { return points_->num_tokens(); }
  int64_t num_features() const { return points_->hidden_size(); }
  base::ThreadPool& pool() const { return *pool_; }

  // The variance of the population, averaged over the features.
  double mean_variance() const { return mean_variance_; }

  // Copies point `index` to `out` [num_features].
  absl::Status CopyPoint(int64_t index, absl::Span<float> out);

  // distances[r][t, i] becomes the distance of point t to row r n + i of
  // `centres`. Each distances[r] is [num_points, n].
  absl::Status Distances(base::MatrixView<const float> centres,
                         absl::Span<const base::MatrixView<float>> distances);

  // sums[r] becomes the sums of the points by clusters[r], [num_points] numbers
  // in [0, num_clusters). COS weighs a point by min(m / |x_t|, 2^20), where m
  // is the root of the mean of |x|^2, so that its direction counts and not its
  // length; a point of zeros has weight 0. The fewer clusters differ from those
  // that sums[r] holds, the less work; the bits are the same. After an error
  // the sums are not valid.
  absl::Status SumByCluster(
      int64_t num_clusters,
      const std::vector<absl::Span<const int32_t>>& clusters,
      absl::Span<ClusteredPoints* const> sums);

  // The memory of Distances for one centre.
  static int64_t CentreBytes(int64_t num_features, int num_threads);
  // The memory of SumByCluster for one element of `sums`, with the means and
  // without the clusters that it keeps.
  static int64_t SumBytes(int64_t num_clusters, int64_t num_features,
                          int num_threads);

 private:
  KmeansPoints(model::HiddenStates& points, Metric metric,
               base::ThreadPool& pool)
      : points_(&points), metric_(metric), pool_(&pool) {}

  absl::Status FindNormsAndVariance();
  // Fills weights_ from norms_ and their mean.
  void FindWeights(double mean_square);
  // Adds a block of tokens to `sums`, or regroups it if `old_clusters` is not
  // empty. tokens.clusters and old_clusters are those of all points.
  absl::Status AddBlock(kernels::CentroidTokens tokens,
                        absl::Span<const int32_t> old_clusters,
                        kernels::CentroidSums& sums) const;
  absl::Span<const double> Norms(int64_t first, int64_t count) const;

  model::HiddenStates* points_;
  Metric metric_;
  base::ThreadPool* pool_;
  std::vector<double> norms_;   // [num_points], squared.
  std::vector<float> weights_;  // [num_points], for COS; else empty.
  double mean_variance_ = 0.0;
  base::Matrix<float> buffer_;
};

}  // namespace moe::gates

#endif  // MOE_GATES_KMEANS_POINTS_H_
