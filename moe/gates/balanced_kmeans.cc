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
#include "moe/gates/kmeans_points.h"
#include "moe/gates/option_checks.h"
#include "moe/gates/routed_counts.h"
#include "moe/gates/weighted_draw.h"
#include "moe/kernels/simd/matrix_view.h"
#include "moe/kernels/sums/centroid_sums.h"
#include "moe/model/layer/float_matrix.h"
#include "moe/model/walk/hidden_states.h"

namespace moe {
namespace {

// Of the points' mean variance: the squared change of centroids at which a
// restart ends.
constexpr double kTolerance = 1e-3;
constexpr double kE = 2.718281828459045;

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
  // While it is seeded, each point's distance to the nearest centre.
  std::vector<float> nearest;
  BalancedAssigner assigner;
  // The assigner's.
  absl::Span<const int32_t> clusters;
  ClusteringRestart result;
};

class BalancedKmeans {
 public:
  BalancedKmeans(KmeansPoints& points, const ClusteringOptions& options,
                 const ClusteringResources& resources)
      : points_(points),
        options_(options),
        resources_(resources),
        num_points_(points.num_points()),
        num_experts_(options.num_experts()),
        bounds_(BalancedBounds(num_points_, num_experts_,
                               options.balance_jitter_factor())) {}

  const SizeBounds& bounds() const { return bounds_; }

  // Runs restarts together, to their end.
  absl::Status RunAll(absl::Span<Run> runs) {
    MOE_RETURN_IF_ERROR(Seed(runs));
    std::vector<Run*> active;
    for (Run& run : runs) active.push_back(&run);
    for (int64_t iteration = 1; !active.empty(); ++iteration) {
      SetDetail(iteration, active.size());
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

 private:
  void SetDetail(int64_t iteration, size_t num_restarts) const {
    if (resources_.set_detail == nullptr) return;
    resources_.set_detail(absl::StrCat(
        "clustering, iteration ", iteration, " of at most ",
        MaxIterations(options_), ", ", num_restarts, " restarts running"));
  }

  // costs_[t, i] = distance of point t to row i of `centres`.
  absl::Status FillCosts(MatrixView<const float> centres) {
    if (costs_.cols() != centres.rows) {
      costs_ = FloatMatrix(num_points_, centres.rows);
    }
    return points_.Distances(centres, costs_.view());
  }

  // Greedy k-means++: the first centre of a run is any point. For each further
  // one some points are drawn, each with a chance in proportion to its distance
  // to the nearest centre so far; that one is taken which leaves the least sum
  // of such distances.
  absl::Status Seed(absl::Span<Run> runs) {
    MOE_RETURN_IF_ERROR(DrawCandidates(runs, 0, 1));
    for (int64_t e = 0;; ++e) {
      MOE_RETURN_IF_ERROR(FillCosts(candidates_.view()));
      const int64_t count =
          candidates_.rows() / static_cast<int64_t>(runs.size());
      points_.pool().ParallelFor(
          0, static_cast<int64_t>(runs.size()), /*grain=*/1,
          [&](int64_t begin, int64_t end) {
            for (int64_t r = begin; r < end; ++r) {
              TakeBestCandidate(r, e, count, runs[static_cast<size_t>(r)]);
            }
          });
      if (e + 1 == num_experts_) return absl::OkStatus();
      MOE_RETURN_IF_ERROR(DrawCandidates(runs, e + 1, NumCandidates()));
    }
  }

  // As many as scikit-learn draws: 2 + ln E, rounded down.
  int64_t NumCandidates() const {
    int64_t count = 2;
    for (double power = kE; power <= static_cast<double>(num_experts_);
         power *= kE) {
      ++count;
    }
    return count;
  }

  // For centre `e` of every run: rows [r count, (r + 1) count) of candidates_.
  absl::Status DrawCandidates(absl::Span<Run> runs, int64_t e, int64_t count) {
    candidates_ = FloatMatrix(static_cast<int64_t>(runs.size()) * count,
                              points_.num_features());
    std::vector<std::vector<int64_t>> drawn(runs.size());
    points_.pool().ParallelFor(
        0, static_cast<int64_t>(runs.size()), /*grain=*/1,
        [&](int64_t begin, int64_t end) {
          for (auto r = static_cast<size_t>(begin);
               r < static_cast<size_t>(end); ++r) {
            if (e == 0) {
              runs[r].nearest.assign(static_cast<size_t>(num_points_),
                                     std::numeric_limits<float>::max());
              drawn[r] = {static_cast<int64_t>(runs[r].stream.UniformInt(
                  static_cast<uint64_t>(num_points_)))};
            } else {
              drawn[r] = DrawByWeight(runs[r].nearest, count, runs[r].stream);
            }
          }
        });
    int64_t row = 0;
    for (const std::vector<int64_t>& points : drawn) {
      for (const int64_t point : points) {
        MOE_RETURN_IF_ERROR(
            points_.CopyPoint(point, candidates_.view().Row(row++)));
      }
    }
    return absl::OkStatus();
  }

  // Of the `count` candidates of run `r`, whose distances are in costs_.
  void TakeBestCandidate(int64_t r, int64_t e, int64_t count, Run& run) {
    std::vector<double> sums(static_cast<size_t>(count));
    const auto distance = [&](int64_t t, int64_t candidate) {
      // A cosine may be rounded beyond 1.
      return std::clamp(costs_.view().RowData(t)[r * count + candidate], 0.0f,
                        run.nearest[static_cast<size_t>(t)]);
    };
    for (int64_t t = 0; t < num_points_; ++t) {
      for (int64_t c = 0; c < count; ++c) {
        sums[static_cast<size_t>(c)] += distance(t, c);
      }
    }
    const int64_t best =
        std::min_element(sums.begin(), sums.end()) - sums.begin();
    for (int64_t t = 0; t < num_points_; ++t) {
      run.nearest[static_cast<size_t>(t)] = distance(t, best);
    }
    CopyRow(candidates_.view().Row(r * count + best),
            run.centroids.view().Row(e));
  }

  // Clusters and inertia of every run, for its centroids.
  absl::Status Assign(absl::Span<Run* const> runs) {
    FloatMatrix centres(static_cast<int64_t>(runs.size()) * num_experts_,
                        points_.num_features());
    for (size_t r = 0; r < runs.size(); ++r) {
      for (int64_t e = 0; e < num_experts_; ++e) {
        CopyRow(runs[r]->centroids.view().Row(e),
                centres.view().Row(static_cast<int64_t>(r) * num_experts_ + e));
      }
    }
    MOE_RETURN_IF_ERROR(FillCosts(centres.view()));
    std::vector<absl::Status> statuses(runs.size());
    points_.pool().ParallelFor(
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
    MOE_ASSIGN_OR_RETURN(run.clusters,
                         run.assigner.Assign(costs, bounds_, points_.pool()));
    double inertia = 0.0;
    for (int64_t t = 0; t < num_points_; ++t) {
      inertia += costs.RowData(t)[run.clusters[static_cast<size_t>(t)]];
    }
    run.result.inertia = inertia;
    return absl::OkStatus();
  }

  absl::Status UpdateCentroids(absl::Span<Run* const> runs) {
    std::vector<absl::Span<const int32_t>> clusters;
    for (const Run* const run : runs) clusters.push_back(run->clusters);
    MOE_ASSIGN_OR_RETURN(const std::vector<CentroidSums> sums,
                         points_.SumByCluster(num_experts_, clusters));
    for (size_t r = 0; r < runs.size(); ++r) {
      runs[r]->result.has_converged =
          TakeMeans(sums[r], *runs[r]) <= kTolerance * points_.mean_variance();
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

  KmeansPoints& points_;
  const ClusteringOptions& options_;
  const ClusteringResources& resources_;
  const int64_t num_points_;
  const int64_t num_experts_;
  const SizeBounds bounds_;
  FloatMatrix candidates_;
  FloatMatrix costs_;  // [num_points, num_experts of all runs]
};

// What a restart takes while it runs: costs, clusters, the assignment's heaps,
// and sums.
int64_t RestartBytes(const ClusteringSize& size, int64_t num_experts) {
  return size.num_points *
             (num_experts * static_cast<int64_t>(sizeof(float) + 24) +
              static_cast<int64_t>(2 * sizeof(float))) +
         KmeansPoints::SumBytes(num_experts, size.num_features,
                                size.num_threads);
}

}  // namespace

absl::StatusOr<ClusteringMemory> ClusteringMemory::Reserve(
    const ClusteringSize& size, const ClusteringOptions& options,
    MemoryBudget& budget) {
  const int64_t bytes = RestartBytes(size, options.num_experts());
  const int64_t norm_bytes =
      size.num_points * static_cast<int64_t>(sizeof(double));
  const int64_t room = (budget.limit_bytes() - budget.reserved_bytes()) / 4;
  ClusteringMemory memory;
  memory.restarts_at_once =
      std::clamp<int64_t>(room / bytes, 1, NumRestarts(options));
  MOE_ASSIGN_OR_RETURN(
      memory.reservation,
      budget.Reserve(memory.restarts_at_once * bytes + norm_bytes,
                     "the distances of a clustering"));
  return memory;
}

absl::Status CheckClustering(int64_t num_points,
                             const ClusteringOptions& options) {
  MOE_RETURN_IF_ERROR(ValidateClusteringOptions(options));
  MOE_RETURN_IF_ERROR(CheckEnoughTokens(num_points, options.num_experts()));
  if (num_points > kMaxAssignedTokens) {
    return absl::InvalidArgumentError(
        absl::StrCat(num_points, " tokens; a clustering takes at most ",
                     kMaxAssignedTokens, "; choose a smaller --max_steps"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Clustering> ClusterBalanced(
    HiddenStates& points, const ClusteringOptions& options,
    absl::string_view stream_name, const ClusteringResources& resources) {
  MOE_RETURN_IF_ERROR(CheckClustering(points.num_tokens(), options));
  const int64_t num_restarts = NumRestarts(options);
  const int64_t at_once = resources.memory.restarts_at_once;
  MOE_ASSIGN_OR_RETURN(
      KmeansPoints kmeans_points,
      KmeansPoints::Create(points, options.distance_metric(), resources.pool));
  BalancedKmeans kmeans(kmeans_points, options, resources);
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
  MOE_ASSIGN_OR_RETURN(
      clustering.routed_counts,
      RoutedCounts(points, best->centroids.view(), resources.pool));
  clustering.centroids = std::move(best->centroids);
  return clustering;
}

}  // namespace moe
