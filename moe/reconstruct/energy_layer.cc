#include "moe/reconstruct/energy_layer.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/gates/balanced_assignment.h"
#include "moe/gates/balanced_kmeans.h"
#include "moe/gates/clustering_options.pb.h"
#include "moe/kernels/rows/top_k.h"
#include "moe/kernels/solve/weighted_sums.h"
#include "moe/model/walk/hidden_states.h"
#include "moe/reconstruct/energy_router.h"
#include "moe/reconstruct/energy_split_options.pb.h"
#include "moe/reconstruct/energy_sums.h"
#include "moe/reconstruct/expert_counts.h"

namespace moe::reconstruct {
namespace {

// Enough for a start: the first assignment replaces it.
constexpr int64_t kMostStartTokens = 6000;
constexpr int64_t kStartIterations = 10;

constexpr auto kFloatBytes = static_cast<int64_t>(sizeof(float));
constexpr auto kDoubleBytes = static_cast<int64_t>(sizeof(double));

// The alternation of one layer.
class Alternation {
 public:
  Alternation(const EnergyTokens& tokens, const EnergySplitOptions& options,
              std::vector<int64_t> routed, RouterRegression regression,
              base::ThreadPool& pool)
      : tokens_(tokens),
        options_(options),
        num_tokens_(tokens.inputs.num_tokens()),
        num_experts_(options.num_experts()),
        routed_(std::move(routed)),
        regression_(std::move(regression)),
        pool_(pool),
        chosen_(num_tokens_, options.top_k()),
        sums_(num_tokens_, num_experts_),
        experts_(num_experts_,
                 static_cast<int64_t>(routed_.size()) / num_experts_),
        prices_(static_cast<size_t>(num_experts_)) {}

  absl::Status Start(base::MatrixView<const float> start) {
    return ChooseExperts(tokens_.inputs, start, ExpertRanking::kLogits,
                         chosen_.view(), pool_);
  }

  // Experts, router and P once more; keeps the best in `layer`.
  absl::Status Iterate(EnergyLayer& layer) {
    MOE_RETURN_IF_ERROR(AssignNeurons());
    MOE_ASSIGN_OR_RETURN(base::Matrix<float> router, FitRouter());
    MOE_RETURN_IF_ERROR(ChooseExperts(tokens_.inputs, router.view(),
                                      ExpertRanking::kProbabilities,
                                      chosen_.view(), pool_));
    double captured = 0.0;
    AddChosenEnergy(sums_.view(), chosen_.view(), captured);
    const auto iteration = static_cast<int64_t>(layer.captured.size());
    layer.captured.push_back(captured);
    if (iteration > 0 &&
        !(captured >
          layer.captured[static_cast<size_t>(layer.best_iteration)])) {
      return absl::OkStatus();
    }
    layer.best_iteration = iteration;
    layer.router = std::move(router);
    layer.indices.experts = experts_;
    layer.loads = Loads();
    layer.oracle = OracleEnergy();
    return absl::OkStatus();
  }

 private:
  // Step 1: experts_.
  absl::Status AssignNeurons() {
    base::Matrix<double> affinity = base::Matrix<double>::Zeros(
        num_experts_, tokens_.energies.hidden_size());
    const auto add = [&](int64_t first,
                         base::MatrixView<const float> rows) -> absl::Status {
      AddAffinity(rows, chosen_.view().Rows(first, first + rows.rows), affinity,
                  pool_);
      return absl::OkStatus();
    };
    MOE_RETURN_IF_ERROR(
        tokens_.energies.ForEachBlock(kEnergyRowsAtOnce, energy_buffer_, add));
    const auto num_routed = static_cast<int64_t>(routed_.size());
    base::Matrix<float> costs(num_routed, num_experts_);
    for (int64_t i = 0; i < num_routed; ++i) {
      const int64_t neuron = routed_[static_cast<size_t>(i)];
      for (int64_t e = 0; e < num_experts_; ++e) {
        costs.view().RowData(i)[e] =
            -static_cast<float>(affinity.view().RowData(e)[neuron]);
      }
    }
    const int64_t size = experts_.cols();
    MOE_ASSIGN_OR_RETURN(const absl::Span<const int32_t> expert_of,
                         assigner_.Assign(costs.view(), {size, size},
                                          absl::MakeSpan(prices_), pool_));
    std::vector<int64_t> filled(static_cast<size_t>(num_experts_));
    for (size_t i = 0; i < routed_.size(); ++i) {
      const int32_t e = expert_of[i];
      experts_.view().RowData(e)[filled[static_cast<size_t>(e)]++] = routed_[i];
    }
    return absl::OkStatus();
  }

  // Step 2: sums_ and the router.
  absl::StatusOr<base::Matrix<float>> FitRouter() {
    base::Matrix<double> products =
        base::Matrix<double>::Zeros(num_experts_, tokens_.inputs.hidden_size());
    base::Matrix<float> targets(std::min(kEnergyRowsAtOnce, num_tokens_),
                                num_experts_);
    const auto add = [&](int64_t first,
                         base::MatrixView<const float> x) -> absl::Status {
      const int64_t last = first + x.rows;
      MOE_ASSIGN_OR_RETURN(const base::MatrixView<float> energies,
                           tokens_.energies.Load(first, last, energy_buffer_));
      const base::MatrixView<float> sums = sums_.view().Rows(first, last);
      SumByExpert(energies, experts_, sums, pool_);
      const base::MatrixView<float> y = targets.view().Rows(0, x.rows);
      RouterTargets(sums, y, pool_);
      kernels::AddWeightedProducts(
          y, x,
          tokens_.weights.subspan(static_cast<size_t>(first),
                                  static_cast<size_t>(x.rows)),
          products, pool_);
      return absl::OkStatus();
    };
    MOE_RETURN_IF_ERROR(
        tokens_.inputs.ForEachBlock(kEnergyRowsAtOnce, input_buffer_, add));
    return regression_.Solve(products, options_.router_spread(), pool_);
  }

  std::vector<int64_t> Loads() const {
    std::vector<int64_t> loads(static_cast<size_t>(num_experts_));
    for (const int32_t e : chosen_.values()) ++loads[static_cast<size_t>(e)];
    return loads;
  }

  double OracleEnergy() const {
    base::Matrix<int32_t> best(num_tokens_, options_.top_k());
    kernels::TopK(sums_.view(), best.view(), pool_);
    double oracle = 0.0;
    AddChosenEnergy(sums_.view(), best.view(), oracle);
    return oracle;
  }

  const EnergyTokens& tokens_;
  const EnergySplitOptions& options_;
  const int64_t num_tokens_;
  const int64_t num_experts_;
  const std::vector<int64_t> routed_;  // Ascending.
  const RouterRegression regression_;
  base::ThreadPool& pool_;
  base::Matrix<int32_t> chosen_;   // [T, k]: P.
  base::Matrix<float> sums_;       // [T, E]: S.
  base::Matrix<int64_t> experts_;  // [E, expert_size]
  gates::BalancedAssigner assigner_;
  std::vector<double> prices_;
  base::Matrix<float> input_buffer_, energy_buffer_;
};

}  // namespace

int64_t NumStartTokens(int64_t num_tokens) {
  return std::min(num_tokens, kMostStartTokens);
}

ClusteringOptions StartClustering(const EnergySplitOptions& options) {
  ClusteringOptions clustering;
  clustering.set_num_experts(options.num_experts());
  clustering.set_balance_jitter_factor(1.0);
  clustering.set_distance_metric(ClusteringOptions::COS);
  clustering.set_max_iter(kStartIterations);
  clustering.set_n_init(1);
  clustering.set_seed(options.seed());
  return clustering;
}

absl::StatusOr<base::Matrix<float>> StartRouter(
    model::HiddenStates& inputs, const EnergySplitOptions& options,
    absl::string_view stream_name, const StartResources& resources) {
  const int64_t num_tokens = inputs.num_tokens();
  const int64_t num_points = NumStartTokens(num_tokens);
  MOE_ASSIGN_OR_RETURN(
      model::HiddenStates points,
      model::HiddenStates::Create(num_points, inputs.hidden_size(),
                                  resources.budget, resources.spill_directory));
  base::Matrix<float> from, to;
  for (int64_t i = 0; i < num_points; ++i) {
    const int64_t token = i * num_tokens / num_points;
    MOE_ASSIGN_OR_RETURN(const base::MatrixView<float> row,
                         inputs.Load(token, token + 1, from));
    MOE_RETURN_IF_ERROR(points.StoreCopy(i, row, to));
  }
  MOE_ASSIGN_OR_RETURN(
      gates::Clustering clustering,
      gates::ClusterBalanced(
          points, StartClustering(options), stream_name,
          {resources.memory, resources.pool, resources.set_detail}));
  return std::move(clustering.centroids);
}

absl::StatusOr<EnergyLayer> SplitLayerByEnergy(
    const EnergyTokens& tokens, base::MatrixView<const float> start,
    const EnergySplitOptions& options, int64_t expert_size,
    base::ThreadPool& pool) {
  const int64_t num_neurons = tokens.energies.hidden_size();
  MOE_CHECK(options.num_shared_neurons() +
                options.num_experts() * expert_size ==
            num_neurons);
  std::vector<int64_t> shared =
      LargestNeurons(tokens.totals, options.num_shared_neurons());
  std::vector<int64_t> routed = OtherNeurons(num_neurons, shared);
  EnergyLayer layer;
  layer.shared = SumOver(shared, tokens.totals);
  layer.routed = SumOver(routed, tokens.totals);
  MOE_ASSIGN_OR_RETURN(RouterRegression regression,
                       RouterRegression::Create(tokens.inputs, tokens.weights,
                                                options.ridge(), pool));
  Alternation alternation(tokens, options, std::move(routed),
                          std::move(regression), pool);
  MOE_RETURN_IF_ERROR(alternation.Start(start));
  for (int64_t i = 0; i < options.iterations(); ++i) {
    MOE_RETURN_IF_ERROR(alternation.Iterate(layer));
  }
  if (!shared.empty()) layer.indices.residual = std::move(shared);
  return layer;
}

// For each token P, S, the oracle's choice and k energies; for the layer the
// normal equations, affinities, costs, heaps of the assignment as in
// ClusteringMemory, and the rows that a pass takes together; and what
// moe/kernels/solve takes.
int64_t EnergyLayerBytes(const EnergyLayerSize& size,
                         const EnergySplitOptions& options) {
  constexpr int64_t kHeapEntryBytes = 2 * 16, kHeapBytes = 24;
  constexpr int64_t kNeuronBytes = 4 + 8 + 4 * 4 + 2 * 16;
  constexpr int64_t kSolveBytes = 5 << 20, kSolveThreadBytes = 5 << 16;
  const int64_t num_experts = options.num_experts();
  const int64_t rows = std::min(kEnergyRowsAtOnce, size.num_tokens);
  return size.num_tokens * (num_experts + 2 * options.top_k() + 1) *
             kFloatBytes +
         size.hidden_size * size.hidden_size * kDoubleBytes +
         num_experts * size.hidden_size * (kDoubleBytes + 4 * kFloatBytes) +
         size.intermediate_size *
             (num_experts * (kDoubleBytes + kFloatBytes + kHeapEntryBytes) +
              4 * kDoubleBytes + kNeuronBytes) +
         num_experts * num_experts * kHeapBytes +
         rows * (size.hidden_size + size.intermediate_size + 2 * num_experts) *
             kFloatBytes +
         kSolveBytes + size.num_threads * kSolveThreadBytes;
}

}  // namespace moe::reconstruct
