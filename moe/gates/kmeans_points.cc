#include "moe/gates/kmeans_points.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/matrix_view.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/gates/clustering_options.pb.h"
#include "moe/kernels/rows/distances.h"
#include "moe/kernels/sums/centroid_sums.h"
#include "moe/kernels/sums/moments.h"
#include "moe/kernels/sums/token_ranges.h"
#include "moe/model/walk/hidden_states.h"

namespace moe::gates {
namespace {

// The rows of a block: whole chunks of the sums, of at most 512 KiB if that is
// at least one chunk.
int64_t BlockRows(int64_t num_features) {
  constexpr int64_t kBlockFloats = int64_t{1} << 17;
  constexpr int64_t kMaxBlockRows = 1024;
  return std::clamp(kBlockFloats / num_features / kernels::kTokensPerChunk,
                    int64_t{1}, kMaxBlockRows / kernels::kTokensPerChunk) *
         kernels::kTokensPerChunk;
}

// The rows of a block for distances: tiles of the product's full height that
// stay in the second-level cache.
int64_t DistanceRows(int64_t num_features) {
  constexpr int64_t kBlockFloats = int64_t{3} << 16;
  constexpr int64_t kTileRows = 14;
  constexpr int64_t kMaxTiles = 16;
  return std::clamp(kBlockFloats / num_features / kTileRows, int64_t{1},
                    kMaxTiles) *
         kTileRows;
}

// Sums of parts of the points: at most one for each thread that works.
template <typename Sums>
class PartialSums {
 public:
  // A part that no thread uses; empty if there is none.
  std::vector<Sums> Take() {
    std::lock_guard<std::mutex> lock(mutex_);
    if (parts_.empty()) return {};
    std::vector<Sums> part = std::move(parts_.back());
    parts_.pop_back();
    return part;
  }
  void Give(std::vector<Sums> part) {
    std::lock_guard<std::mutex> lock(mutex_);
    parts_.push_back(std::move(part));
  }

  // The parts merged element by element.
  absl::StatusOr<std::vector<Sums>> Merged() {
    MOE_CHECK(!parts_.empty());
    for (std::vector<Sums>& part : parts_) {
      for (size_t i = 0; i < part.size(); ++i) {
        MOE_RETURN_IF_ERROR(part[i].Finish());
        if (&part == &parts_.front()) continue;
        MOE_RETURN_IF_ERROR(parts_.front()[i].Merge(part[i]));
      }
    }
    return std::move(parts_.front());
  }

 private:
  std::mutex mutex_;
  std::vector<std::vector<Sums>> parts_;
};

// Whether fewer than half of the sums (one for each chunk and each cluster with
// tokens in it) have tokens that changed. A changed sum is taken twice.
bool IsFasterToRegroup(absl::Span<const int32_t> old_clusters,
                       absl::Span<const int32_t> clusters,
                       int64_t num_clusters) {
  if (old_clusters.empty()) return false;
  int64_t num_sums = 0, num_changed = 0;
  std::vector<size_t> summed(static_cast<size_t>(num_clusters));
  std::vector<size_t> changed(static_cast<size_t>(num_clusters));
  for (size_t t = 0; t < clusters.size(); ++t) {
    const size_t chunk = t / kernels::kTokensPerChunk + 1;
    const auto enter = [&](int32_t cluster, std::vector<size_t>& last) {
      return std::exchange(last[static_cast<size_t>(cluster)], chunk) != chunk;
    };
    num_sums += enter(clusters[t], summed);
    if (old_clusters[t] == clusters[t]) continue;
    num_changed += enter(old_clusters[t], changed);
    num_changed += enter(clusters[t], changed);
  }
  return 2 * num_changed < num_sums;
}

}  // namespace

absl::StatusOr<KmeansPoints> KmeansPoints::Create(model::HiddenStates& points,
                                                  Metric metric,
                                                  base::ThreadPool& pool) {
  KmeansPoints kmeans_points(points, metric, pool);
  MOE_RETURN_IF_ERROR(kmeans_points.FindNormsAndVariance());
  return kmeans_points;
}

absl::Status KmeansPoints::FindNormsAndVariance() {
  norms_.resize(static_cast<size_t>(num_points()));
  PartialSums<kernels::Moments> partial;
  const auto add = [&](int64_t first,
                       base::MatrixView<const float> rows) -> absl::Status {
    kernels::SquaredNorms(
        rows,
        absl::MakeSpan(norms_).subspan(static_cast<size_t>(first),
                                       static_cast<size_t>(rows.rows)),
        *pool_);
    std::vector<kernels::Moments> moments = partial.Take();
    if (moments.empty()) moments.emplace_back(num_features());
    MOE_RETURN_IF_ERROR(moments[0].Add(first, rows, *pool_));
    partial.Give(std::move(moments));
    return absl::OkStatus();
  };
  MOE_RETURN_IF_ERROR(
      points_->ForEachBlockInParallel(BlockRows(num_features()), *pool_, add));
  MOE_ASSIGN_OR_RETURN(const std::vector<kernels::Moments> moments,
                       partial.Merged());
  double variance = 0.0, square = 0.0;
  for (const double v : moments[0].Variances()) variance += v;
  for (const double mean : moments[0].Means()) square += mean * mean;
  mean_variance_ = variance / static_cast<double>(num_features());
  if (metric_ == ClusteringOptions::COS) FindWeights(variance + square);
  return absl::OkStatus();
}

void KmeansPoints::FindWeights(double mean_square) {
  constexpr double kMaxWeight = 1 << 20;
  const double length = std::sqrt(mean_square);
  for (const double norm : norms_) {
    weights_.push_back(norm == 0.0
                           ? 0.0f
                           : static_cast<float>(std::min(
                                 length / std::sqrt(norm), kMaxWeight)));
  }
}

absl::Status KmeansPoints::CopyPoint(int64_t index, absl::Span<float> out) {
  MOE_ASSIGN_OR_RETURN(const base::MatrixView<const float> row,
                       points_->Load(index, index + 1, buffer_));
  std::copy(row.data, row.data + row.cols, out.begin());
  return absl::OkStatus();
}

absl::Span<const double> KmeansPoints::Norms(int64_t first,
                                             int64_t count) const {
  return absl::MakeConstSpan(norms_).subspan(static_cast<size_t>(first),
                                             static_cast<size_t>(count));
}

absl::Status KmeansPoints::Distances(
    base::MatrixView<const float> centres,
    absl::Span<const base::MatrixView<float>> distances) {
  const kernels::PackedCentres packed =
      kernels::PackedCentres::Pack(centres, *pool_);
  const auto fill = [&](int64_t first, base::MatrixView<const float> rows) {
    const absl::Span<const double> norms = Norms(first, rows.rows);
    thread_local base::Matrix<float> buffer;
    if (buffer.rows() < rows.rows || buffer.cols() != centres.rows) {
      buffer = base::Matrix<float>(rows.rows, centres.rows);
    }
    const base::MatrixView<float> block = buffer.view().Rows(0, rows.rows);
    if (metric_ == ClusteringOptions::COS) {
      packed.CosineDistances(rows, norms, block, *pool_);
    } else {
      packed.SquaredL2Distances(rows, norms, block, *pool_);
    }
    for (int64_t t = 0; t < block.rows; ++t) {
      const float* from = block.RowData(t);
      for (const base::MatrixView<float>& out : distances) {
        std::copy_n(from, out.cols, out.RowData(first + t));
        from += out.cols;
      }
    }
    return absl::OkStatus();
  };
  return points_->ForEachBlockInParallel(DistanceRows(num_features()), *pool_,
                                         fill);
}

absl::Status KmeansPoints::AddBlock(kernels::CentroidTokens tokens,
                                    absl::Span<const int32_t> old_clusters,
                                    kernels::CentroidSums& sums) const {
  const auto begin = static_cast<size_t>(tokens.first_token);
  const auto count = static_cast<size_t>(tokens.rows.rows);
  tokens.clusters = tokens.clusters.subspan(begin, count);
  if (!weights_.empty()) {
    tokens.weights = absl::MakeConstSpan(weights_).subspan(begin, count);
  }
  if (old_clusters.empty()) {
    return sums.Add(tokens.first_token, tokens.rows, tokens.clusters,
                    tokens.weights, *pool_);
  }
  return sums.Regroup(tokens, old_clusters.subspan(begin, count), *pool_);
}

absl::Status KmeansPoints::SumByCluster(
    int64_t num_clusters,
    const std::vector<absl::Span<const int32_t>>& clusters,
    absl::Span<ClusteredPoints* const> sums) {
  kernels::CentroidSums::Options options;
  options.num_clusters = num_clusters;
  options.num_features = num_features();
  PartialSums<kernels::CentroidSums> partial;
  std::vector<kernels::CentroidSums> known;
  for (size_t r = 0; r < clusters.size(); ++r) {
    if (!IsFasterToRegroup(sums[r]->clusters, clusters[r], num_clusters)) {
      sums[r]->clusters.clear();
      sums[r]->sums.emplace(options);
    }
    known.push_back(*std::move(sums[r]->sums));
  }
  partial.Give(std::move(known));
  const auto add = [&](int64_t first,
                       base::MatrixView<const float> rows) -> absl::Status {
    std::vector<kernels::CentroidSums> part = partial.Take();
    while (part.size() < clusters.size()) part.emplace_back(options);
    for (size_t r = 0; r < clusters.size(); ++r) {
      MOE_RETURN_IF_ERROR(
          AddBlock({first, rows, clusters[r], {}}, sums[r]->clusters, part[r]));
    }
    partial.Give(std::move(part));
    return absl::OkStatus();
  };
  MOE_RETURN_IF_ERROR(
      points_->ForEachBlockInParallel(BlockRows(num_features()), *pool_, add));
  MOE_ASSIGN_OR_RETURN(std::vector<kernels::CentroidSums> merged,
                       partial.Merged());
  for (size_t r = 0; r < clusters.size(); ++r) {
    sums[r]->clusters.assign(clusters[r].begin(), clusters[r].end());
    sums[r]->sums = std::move(merged[r]);
  }
  return absl::OkStatus();
}

int64_t KmeansPoints::CentreBytes(int64_t num_features, int num_threads) {
  return DistanceRows(num_features) * num_threads *
         static_cast<int64_t>(sizeof(float));
}

int64_t KmeansPoints::SumBytes(int64_t num_clusters, int64_t num_features,
                               int num_threads) {
  // 24 bytes for a sum; the sums and means again as doubles and floats.
  return num_clusters * num_features * (24 * int64_t{num_threads} + 16);
}

}  // namespace moe::gates
