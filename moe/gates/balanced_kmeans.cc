#include "moe/gates/balanced_kmeans.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/memory_budget.h"
#include "moe/base/philox.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/gates/balanced_assignment.h"
#include "moe/gates/clustering_options.h"
#include "moe/gates/clustering_options.pb.h"
#include "moe/gates/weighted_draw.h"
#include "moe/kernels/gemm/gemm.h"
#include "moe/kernels/gemm/packed_matrix.h"
#include "moe/kernels/rows/distances.h"
#include "moe/kernels/simd/matrix_view.h"
#include "moe/kernels/sums/centroid_sums.h"
#include "moe/kernels/sums/moments.h"
#include "moe/model/layer/float_matrix.h"
#include "moe/model/walk/hidden_states.h"

namespace moe {
namespace {

// Of the points: enough for the products, and a multiple of the chunks of sums.
constexpr int64_t kRowsAtOnce = 1024;
constexpr double kTolerance = 1e-3;

MatrixView<const float> Cols(MatrixView<const float> x, int64_t begin,
                             int64_t end) {
  return MatrixView<const float>(x.data + begin, x.rows, end - begin, x.stride);
}

void CopyRow(absl::Span<const float> from, absl::Span<float> to) {
  std::copy(from.begin(), from.end(), to.begin());
}

// One restart on its way.
struct Run {
  Run(const ClusteringOptions& options, absl::string_view stream_name,
      int64_t restart, int64_t hidden_size)
      : stream(static_cast<uint64_t>(options.seed()),
               absl::StrCat(stream_name, "/restart/", restart)),
        centroids(options.num_experts(), hidden_size) {}

  RandomStream stream;
  FloatMatrix centroids;
  std::vector<int32_t> clusters;
  ClusteringRestart result;
};

class BalancedKmeans {
 public:
  BalancedKmeans(HiddenStates& points, const ClusteringOptions& options,
                 ThreadPool& pool)
      : points_(points),
        options_(options),
        pool_(pool),
        num_points_(points.num_tokens()),
        num_experts_(options.num_experts()),
        bounds_(BalancedBounds(num_points_, num_experts_,
                               options.balance_jitter_factor())) {}

  const SizeBounds& bounds() const { return bounds_; }

  // Squared change of centroids at which a restart ends.
  absl::Status FindTolerance() {
    Moments moments(points_.hidden_size());
    MOE_RETURN_IF_ERROR(ForEachBlock(
        [&](int64_t first, MatrixView<const float> rows) -> absl::Status {
          return moments.Add(first, rows, pool_);
        }));
    MOE_RETURN_IF_ERROR(moments.Finish());
    double sum = 0.0;
    for (const double variance : moments.Variances()) sum += variance;
    tolerance_ =
        kTolerance * (sum / static_cast<double>(points_.hidden_size()));
    return absl::OkStatus();
  }

  // Runs restarts together, to their end.
  absl::Status RunAll(absl::Span<Run> runs) {
    MOE_RETURN_IF_ERROR(Seed(runs));
    std::vector<Run*> active;
    for (Run& run : runs) active.push_back(&run);
    while (!active.empty()) {
      MOE_RETURN_IF_ERROR(Assign(active));
      for (Run* const run : active) {
        run->result.iteration_costs.push_back(run->result.inertia);
        ++run->result.num_iterations;
      }
      MOE_RETURN_IF_ERROR(UpdateCentroids(active));
      active.erase(std::remove_if(active.begin(), active.end(),
                                  [&](const Run* run) {
                                    return run->result.has_converged ||
                                           run->result.num_iterations >=
                                               MaxIterations(options_);
                                  }),
                   active.end());
    }
    for (Run& run : runs) active.push_back(&run);
    return Assign(active);
  }

  std::vector<int64_t> Sizes(const Run& run) const {
    std::vector<int64_t> sizes(static_cast<size_t>(num_experts_));
    for (const int32_t cluster : run.clusters) {
      ++sizes[static_cast<size_t>(cluster)];
    }
    return sizes;
  }

  absl::StatusOr<std::vector<int64_t>> RoutedCounts(const Run& run) {
    std::vector<int64_t> counts(static_cast<size_t>(num_experts_));
    const PackedMatrix centroids = PackedMatrix::Pack(
        MatrixView<const float>(run.centroids.view()), pool_);
    FloatMatrix scores(std::min(kRowsAtOnce, num_points_), num_experts_);
    MOE_RETURN_IF_ERROR(
        ForEachBlock([&](int64_t, MatrixView<const float> rows) {
          const MatrixView<float> out = scores.view().Rows(0, rows.rows);
          Gemm(rows, centroids, out, pool_);
          for (int64_t t = 0; t < out.rows; ++t) {
            const absl::Span<const float> row = out.Row(t);
            ++counts[static_cast<size_t>(
                std::max_element(row.begin(), row.end()) - row.begin())];
          }
          return absl::OkStatus();
        }));
    return counts;
  }

 private:
  template <typename Body>
  absl::Status ForEachBlock(const Body& body) {
    for (int64_t begin = 0; begin < num_points_; begin += kRowsAtOnce) {
      const int64_t end = std::min(begin + kRowsAtOnce, num_points_);
      MOE_ASSIGN_OR_RETURN(const MatrixView<float> rows,
                           points_.Load(begin, end, buffer_));
      MOE_RETURN_IF_ERROR(body(begin, rows));
    }
    return absl::OkStatus();
  }

  void Distances(MatrixView<const float> rows, MatrixView<const float> centres,
                 MatrixView<float> out) {
    if (options_.distance_metric() == ClusteringOptions::COS) {
      CosineDistances(rows, centres, out, pool_);
    } else {
      SquaredL2Distances(rows, centres, out, pool_);
    }
  }

  // costs_[t, i] = distance of point t to row i of `centres`.
  absl::Status FillCosts(MatrixView<const float> centres) {
    costs_ = FloatMatrix(num_points_, centres.rows);
    return ForEachBlock([&](int64_t first, MatrixView<const float> rows) {
      Distances(rows, centres, costs_.view().Rows(first, first + rows.rows));
      return absl::OkStatus();
    });
  }

  // k-means++: the first centre of a run is any point, and each further one a
  // point with a chance in proportion to its distance to the nearest so far.
  absl::Status Seed(absl::Span<Run> runs) {
    const auto num_runs = static_cast<int64_t>(runs.size());
    FloatMatrix newest(num_runs, points_.hidden_size());
    std::vector<std::vector<float>> nearest(
        runs.size(), std::vector<float>(static_cast<size_t>(num_points_),
                                        std::numeric_limits<float>::max()));
    for (int64_t e = 0; e < num_experts_; ++e) {
      for (size_t r = 0; r < runs.size(); ++r) {
        Run& run = runs[r];
        const int64_t chosen = e == 0
                                   ? static_cast<int64_t>(run.stream.UniformInt(
                                         static_cast<uint64_t>(num_points_)))
                                   : DrawByWeight(nearest[r], run.stream);
        MOE_ASSIGN_OR_RETURN(const MatrixView<float> row,
                             points_.Load(chosen, chosen + 1, buffer_));
        CopyRow(row.Row(0), run.centroids.view().Row(e));
        CopyRow(row.Row(0), newest.view().Row(static_cast<int64_t>(r)));
      }
      if (e + 1 == num_experts_) break;
      MOE_RETURN_IF_ERROR(FillCosts(newest.view()));
      for (size_t r = 0; r < runs.size(); ++r) {
        for (int64_t t = 0; t < num_points_; ++t) {
          float& distance = nearest[r][static_cast<size_t>(t)];
          // A cosine may be rounded beyond 1.
          distance = std::clamp(costs_.view().RowData(t)[r], 0.0f, distance);
        }
      }
    }
    return absl::OkStatus();
  }

  // Clusters and inertia of every run, for its centroids.
  absl::Status Assign(absl::Span<Run* const> runs) {
    FloatMatrix centres(static_cast<int64_t>(runs.size()) * num_experts_,
                        points_.hidden_size());
    for (size_t r = 0; r < runs.size(); ++r) {
      for (int64_t e = 0; e < num_experts_; ++e) {
        CopyRow(runs[r]->centroids.view().Row(e),
                centres.view().Row(static_cast<int64_t>(r) * num_experts_ + e));
      }
    }
    MOE_RETURN_IF_ERROR(FillCosts(centres.view()));
    std::vector<absl::Status> statuses(runs.size());
    pool_.ParallelFor(
        0, static_cast<int64_t>(runs.size()), /*grain=*/1,
        [&](int64_t begin, int64_t end) {
          for (int64_t r = begin; r < end; ++r) {
            statuses[static_cast<size_t>(r)] = AssignRun(
                Cols(costs_.view(), r * num_experts_, (r + 1) * num_experts_),
                *runs[static_cast<size_t>(r)]);
          }
        });
    for (const absl::Status& status : statuses) MOE_RETURN_IF_ERROR(status);
    return absl::OkStatus();
  }

  absl::Status AssignRun(MatrixView<const float> costs, Run& run) const {
    MOE_ASSIGN_OR_RETURN(run.clusters, AssignBalanced(costs, bounds_));
    double inertia = 0.0;
    for (int64_t t = 0; t < num_points_; ++t) {
      inertia += costs.RowData(t)[run.clusters[static_cast<size_t>(t)]];
    }
    run.result.inertia = inertia;
    return absl::OkStatus();
  }

  absl::Status UpdateCentroids(absl::Span<Run* const> runs) {
    std::vector<CentroidSums> sums;
    for (size_t r = 0; r < runs.size(); ++r) {
      CentroidSums::Options options;
      options.num_clusters = num_experts_;
      options.num_features = points_.hidden_size();
      sums.emplace_back(options);
    }
    const auto add = [&](int64_t first,
                         MatrixView<const float> rows) -> absl::Status {
      for (size_t r = 0; r < runs.size(); ++r) {
        MOE_RETURN_IF_ERROR(
            sums[r].Add(first, rows,
                        absl::MakeConstSpan(runs[r]->clusters)
                            .subspan(static_cast<size_t>(first),
                                     static_cast<size_t>(rows.rows)),
                        /*weights=*/{}, pool_));
      }
      return absl::OkStatus();
    };
    MOE_RETURN_IF_ERROR(ForEachBlock(add));
    for (size_t r = 0; r < runs.size(); ++r) {
      MOE_RETURN_IF_ERROR(sums[r].Finish());
      runs[r]->result.has_converged =
          TakeMeans(sums[r], *runs[r]) <= tolerance_;
    }
    return absl::OkStatus();
  }

  // The sum of squared changes.
  double TakeMeans(const CentroidSums& sums, Run& run) const {
    const std::vector<double> totals = sums.Sums();
    const std::vector<int64_t> counts = sums.Counts();
    double shift = 0.0;
    for (int64_t e = 0; e < num_experts_; ++e) {
      const auto count = static_cast<double>(counts[static_cast<size_t>(e)]);
      if (count == 0.0) continue;
      const absl::Span<float> centroid = run.centroids.view().Row(e);
      for (size_t f = 0; f < centroid.size(); ++f) {
        const auto mean = static_cast<float>(
            totals[static_cast<size_t>(e) * centroid.size() + f] / count);
        const double change = static_cast<double>(mean) - centroid[f];
        shift += change * change;
        centroid[f] = mean;
      }
    }
    return shift;
  }

  HiddenStates& points_;
  const ClusteringOptions& options_;
  ThreadPool& pool_;
  const int64_t num_points_;
  const int64_t num_experts_;
  const SizeBounds bounds_;
  double tolerance_ = 0.0;
  FloatMatrix buffer_;
  FloatMatrix costs_;  // [num_points, num_experts of all runs]
};

// What a restart takes while it runs: costs, clusters, and the assignment's
// heaps.
int64_t RestartBytes(int64_t num_points, int64_t num_experts) {
  return num_points * (num_experts * static_cast<int64_t>(sizeof(float) + 16) +
                       static_cast<int64_t>(2 * sizeof(float)));
}

// Room for as many restarts as there is, at least one.
absl::StatusOr<int64_t> ReserveRestarts(
    int64_t restart_bytes, int64_t num_restarts, MemoryBudget& budget,
    MemoryBudget::Reservation& reservation) {
  for (int64_t count = num_restarts; count > 1; count = (count + 1) / 2) {
    std::optional<MemoryBudget::Reservation> room =
        budget.TryReserve(count * restart_bytes);
    if (!room.has_value()) continue;
    reservation = std::move(*room);
    return count;
  }
  MOE_ASSIGN_OR_RETURN(
      reservation,
      budget.Reserve(restart_bytes, "the distances of one restart"));
  return 1;
}

}  // namespace

absl::StatusOr<Clustering> ClusterBalanced(HiddenStates& points,
                                           const ClusteringOptions& options,
                                           absl::string_view stream_name,
                                           MemoryBudget& budget,
                                           ThreadPool& pool) {
  MOE_RETURN_IF_ERROR(ValidateClusteringOptions(options));
  if (points.num_tokens() < options.num_experts()) {
    return absl::InvalidArgumentError(absl::StrCat(
        points.num_tokens(), " tokens, and num_experts is ",
        options.num_experts(), "; there must be at least as many tokens"));
  }
  MemoryBudget::Reservation reservation;
  const int64_t num_restarts = NumRestarts(options);
  MOE_ASSIGN_OR_RETURN(
      const int64_t at_once,
      ReserveRestarts(RestartBytes(points.num_tokens(), options.num_experts()),
                      num_restarts, budget, reservation));
  BalancedKmeans kmeans(points, options, pool);
  MOE_RETURN_IF_ERROR(kmeans.FindTolerance());
  Clustering clustering;
  clustering.bounds = kmeans.bounds();
  std::optional<Run> best;
  for (int64_t first = 0; first < num_restarts; first += at_once) {
    std::vector<Run> runs;
    for (int64_t r = first; r < std::min(first + at_once, num_restarts); ++r) {
      runs.emplace_back(options, stream_name, r, points.hidden_size());
    }
    MOE_RETURN_IF_ERROR(kmeans.RunAll(absl::MakeSpan(runs)));
    for (Run& run : runs) {
      clustering.restarts.push_back(run.result);
      if (best.has_value() && run.result.inertia >= best->result.inertia) {
        continue;
      }
      clustering.best_restart =
          static_cast<int64_t>(clustering.restarts.size()) - 1;
      best = std::move(run);
    }
  }
  clustering.sizes = kmeans.Sizes(*best);
  MOE_ASSIGN_OR_RETURN(clustering.routed_counts, kmeans.RoutedCounts(*best));
  clustering.centroids = std::move(best->centroids);
  return clustering;
}

}  // namespace moe
