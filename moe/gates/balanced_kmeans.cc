#include "moe/gates/balanced_kmeans.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/memory_budget.h"
#include "moe/base/options/options.h"
#include "moe/base/philox.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/gates/balanced_assignment.h"
#include "moe/gates/clustering_options.pb.h"
#include "moe/gates/kmeans_points.h"
#include "moe/gates/kmeans_seeding.h"
#include "moe/gates/mlp_inputs.h"
#include "moe/kernels/sums/centroid_sums.h"
#include "moe/kernels/sums/feature_sums.h"
#include "moe/model/walk/hidden_states.h"

namespace moe::gates {
namespace {

// A restart ends when the squared change of its centroids is at most this share
// of the points' mean variance.
constexpr double kTolerance = 1e-3;

void CopyRow(absl::Span<const float> from, absl::Span<float> to) {
  std::copy(from.begin(), from.end(), to.begin());
}

// A restart that is running.
struct Run {
  base::Matrix<float> centroids;
  base::Matrix<float>
      costs;  // [num_points, num_experts]: distances to centroids.
  BalancedAssigner assigner;
  std::vector<double> prices;  // [num_experts], of the last assignment.
  // Owned by the assigner.
  absl::Span<const int32_t> clusters;
  ClusteredPoints sums;
  double shift = 0.0;  // The sum of squared changes of the centroids.
  ClusteringRestart result;
};

// The order-free sum of one number for each point.
absl::StatusOr<double> SumOf(absl::Span<const float> values,
                             base::ThreadPool& pool) {
  kernels::FeatureSums::Options options;
  options.num_features = 1;
  options.fraction_bits = kernels::kCentroidFractionBits;
  kernels::FeatureSums sums(options);
  MOE_RETURN_IF_ERROR(
      sums.Add(0,
               base::MatrixView<const float>(
                   values.data(), static_cast<int64_t>(values.size()), 1),
               pool));
  MOE_RETURN_IF_ERROR(sums.Finish());
  return sums.Sums().front();
}

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

  // Runs restarts together until all have ended. Restart r draws from
  // streams[r].
  absl::StatusOr<std::vector<Run>> RunAll(
      absl::Span<base::RandomStream> streams) {
    MOE_ASSIGN_OR_RETURN(
        std::vector<base::Matrix<float>> centroids,
        SeedCentroids(points_, num_experts_, streams, resources_.set_detail));
    std::vector<Run> runs(streams.size());
    std::vector<Run*> active;
    for (size_t r = 0; r < runs.size(); ++r) {
      runs[r].centroids = std::move(centroids[r]);
      runs[r].costs = base::Matrix<float>(num_points_, num_experts_);
      runs[r].prices.resize(static_cast<size_t>(num_experts_));
      active.push_back(&runs[r]);
    }
    for (int64_t iteration = 1; !active.empty(); ++iteration) {
      SetDetail(iteration, active.size());
      MOE_RETURN_IF_ERROR(Iterate(active));
      active.erase(std::remove_if(active.begin(), active.end(),
                                  [&](const Run* run) {
                                    return run->result.has_converged ||
                                           run->result.num_iterations >=
                                               options_.max_iter();
                                  }),
                   active.end());
    }
    // A restart whose centroids did not move has its final assignment.
    for (Run& run : runs) {
      if (run.shift != 0.0) active.push_back(&run);
    }
    MOE_RETURN_IF_ERROR(Assign(active));
    return runs;
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
    resources_.set_detail(absl::StrCat("iteration ", iteration, " of ",
                                       num_restarts, " restarts"));
  }

  absl::Status Iterate(absl::Span<Run* const> runs) {
    MOE_RETURN_IF_ERROR(Assign(runs));
    for (Run* const run : runs) {
      run->result.iteration_costs.push_back(run->result.inertia);
      ++run->result.num_iterations;
    }
    return UpdateCentroids(runs);
  }

  // Finds clusters and inertia of every run, for its centroids.
  absl::Status Assign(absl::Span<Run* const> runs) {
    if (runs.empty()) return absl::OkStatus();
    base::Matrix<float> centres(
        static_cast<int64_t>(runs.size()) * num_experts_,
        points_.num_features());
    for (size_t r = 0; r < runs.size(); ++r) {
      for (int64_t e = 0; e < num_experts_; ++e) {
        CopyRow(runs[r]->centroids.view().Row(e),
                centres.view().Row(static_cast<int64_t>(r) * num_experts_ + e));
      }
    }
    std::vector<base::MatrixView<float>> costs;
    for (Run* const run : runs) costs.push_back(run->costs.view());
    MOE_RETURN_IF_ERROR(points_.Distances(centres.view(), costs));
    const auto num_runs = static_cast<int64_t>(runs.size());
    std::vector<absl::Status> statuses(runs.size());
    const auto assign_some = [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        statuses[static_cast<size_t>(r)] =
            AssignRun(*runs[static_cast<size_t>(r)]);
      }
    };
    // Too few for all threads: they share the work of each run instead.
    if (num_runs < points_.pool().num_threads()) {
      assign_some(0, num_runs);
    } else {
      points_.pool().ParallelFor(0, num_runs, /*grain=*/1, assign_some);
    }
    for (const absl::Status& status : statuses) MOE_RETURN_IF_ERROR(status);
    return absl::OkStatus();
  }

  absl::Status AssignRun(Run& run) const {
    const base::MatrixView<const float> costs = run.costs.view();
    MOE_ASSIGN_OR_RETURN(
        run.clusters,
        run.assigner.Assign(costs, bounds_, absl::MakeSpan(run.prices),
                            points_.pool()));
    std::vector<float> chosen(run.clusters.size());
    for (size_t t = 0; t < chosen.size(); ++t) {
      chosen[t] = costs.RowData(static_cast<int64_t>(t))[run.clusters[t]];
    }
    MOE_ASSIGN_OR_RETURN(run.result.inertia, SumOf(chosen, points_.pool()));
    return absl::OkStatus();
  }

  absl::Status UpdateCentroids(absl::Span<Run* const> runs) {
    std::vector<absl::Span<const int32_t>> clusters;
    std::vector<ClusteredPoints*> sums;
    for (Run* const run : runs) {
      clusters.push_back(run->clusters);
      sums.push_back(&run->sums);
    }
    MOE_RETURN_IF_ERROR(points_.SumByCluster(num_experts_, clusters, sums));
    for (Run* const run : runs) {
      run->shift = TakeMeans(*run);
      run->result.has_converged =
          run->shift <= kTolerance * points_.mean_variance();
    }
    return absl::OkStatus();
  }

  // Moves the centroids to the means. Returns the sum of squared changes.
  double TakeMeans(Run& run) const {
    const std::vector<double> totals = run.sums.sums->Sums();
    const std::vector<double> weights = run.sums.sums->Weights();
    double shift = 0.0;
    for (int64_t e = 0; e < num_experts_; ++e) {
      const double weight = weights[static_cast<size_t>(e)];
      if (weight == 0.0) continue;
      const absl::Span<float> centroid = run.centroids.view().Row(e);
      for (size_t f = 0; f < centroid.size(); ++f) {
        const auto mean = static_cast<float>(
            totals[static_cast<size_t>(e) * centroid.size() + f] / weight);
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
};

// The memory of a restart while it runs: its costs, a block of costs on each
// thread, and its sums; the heaps of the assignment, which may have twice the
// room they need; and for each token its cluster, its margin, its places among
// the members of clusters and among the tokens in reach (both with twice the
// room they need), its chosen cost, and its cluster in the sums.
int64_t RestartBytes(const ClusteringSize& size, int64_t num_experts) {
  constexpr int64_t kCostBytes = sizeof(float);
  constexpr int64_t kHeapEntryBytes = 2 * 16;
  constexpr int64_t kTokenBytes = 4 + 8 + 4 * 4 + 2 * 16 + 4 + 4;
  constexpr int64_t kHeapBytes = 24;  // An empty heap.
  return size.num_points *
             (num_experts * (kCostBytes + kHeapEntryBytes) + kTokenBytes) +
         num_experts * num_experts * kHeapBytes +
         num_experts *
             KmeansPoints::CentreBytes(size.num_features, size.num_threads) +
         KmeansPoints::SumBytes(num_experts, size.num_features,
                                size.num_threads);
}

}  // namespace

absl::StatusOr<ClusteringMemory> ClusteringMemory::Reserve(
    const ClusteringSize& size, const ClusteringOptions& options,
    base::MemoryBudget& budget) {
  const int64_t bytes = RestartBytes(size, options.num_experts());
  const int64_t norm_bytes =
      size.num_points * static_cast<int64_t>(sizeof(double));
  const int64_t room = (budget.limit_bytes() - budget.reserved_bytes()) / 4;
  ClusteringMemory memory;
  memory.restarts_at_once =
      std::clamp<int64_t>(room / bytes, 1, options.n_init());
  MOE_ASSIGN_OR_RETURN(
      memory.reservation,
      budget.Reserve(memory.restarts_at_once * bytes + norm_bytes,
                     "the distances of a clustering"));
  return memory;
}

absl::Status CheckClustering(int64_t num_points,
                             const ClusteringOptions& options) {
  MOE_RETURN_IF_ERROR(base::CheckOptions(options));
  MOE_RETURN_IF_ERROR(CheckEnoughTokens(num_points, options.num_experts()));
  if (num_points > kMaxAssignedTokens) {
    return absl::InvalidArgumentError(absl::StrCat(
        "tokens of a clustering: expected at most ", kMaxAssignedTokens,
        ", found ", num_points, "; choose a smaller --max_steps"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Clustering> ClusterBalanced(
    model::HiddenStates& points, const ClusteringOptions& options,
    absl::string_view stream_name, const ClusteringResources& resources) {
  MOE_RETURN_IF_ERROR(CheckClustering(points.num_tokens(), options));
  const int64_t num_restarts = options.n_init();
  const int64_t at_once = resources.memory.restarts_at_once;
  MOE_ASSIGN_OR_RETURN(
      KmeansPoints kmeans_points,
      KmeansPoints::Create(points, options.distance_metric(), resources.pool));
  BalancedKmeans kmeans(kmeans_points, options, resources);
  Clustering clustering;
  clustering.bounds = kmeans.bounds();
  double least = std::numeric_limits<double>::infinity();
  for (int64_t first = 0; first < num_restarts; first += at_once) {
    std::vector<base::RandomStream> streams;
    for (int64_t r = first; r < std::min(first + at_once, num_restarts); ++r) {
      streams.emplace_back(static_cast<uint64_t>(options.seed()),
                           absl::StrCat(stream_name, "/restart/", r));
    }
    MOE_ASSIGN_OR_RETURN(std::vector<Run> runs,
                         kmeans.RunAll(absl::MakeSpan(streams)));
    for (Run& run : runs) {
      clustering.restarts.push_back(run.result);
      if (run.result.inertia >= least) continue;
      least = run.result.inertia;
      clustering.best_restart =
          static_cast<int64_t>(clustering.restarts.size()) - 1;
      clustering.sizes = kmeans.Sizes(run);
      clustering.centroids = std::move(run.centroids);
    }
  }
  MOE_ASSIGN_OR_RETURN(
      clustering.routed_counts,
      RoutedCounts(points, clustering.centroids.view(), resources.pool));
  return clustering;
}

}  // namespace moe::gates
