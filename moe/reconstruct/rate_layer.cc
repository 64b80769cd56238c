#include "moe/reconstruct/rate_layer.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/gates/balanced_assignment.h"
#include "moe/kernels/rows/top_k.h"
#include "moe/reconstruct/expert_counts.h"
#include "moe/reconstruct/rate_split_options.pb.h"

namespace moe::reconstruct {
namespace {

// A thread's share of tokens, and of neurons.
constexpr int64_t kTokenGrain = 64;
constexpr int64_t kNeuronGrain = 8;

constexpr int32_t kNoExpert = -1;

// Writes |x| and returns whether all of it is finite.
bool TakeMagnitudes(absl::Span<const float> x, float* magnitudes) {
  bool are_finite = true;
  for (size_t i = 0; i < x.size(); ++i) {
    magnitudes[i] = std::abs(x[i]);
    are_finite &= std::isfinite(x[i]);
  }
  return are_finite;
}

absl::Status NotFinite(absl::Span<const float> row) {
  size_t n = 0;
  while (std::isfinite(row[n])) ++n;
  return absl::InvalidArgumentError(absl::StrCat(
      "activation of neuron ", n, ": expected finite numbers, found ", row[n],
      "; the inputs or weights of the MLP are too large"));
}

// The tokens that activate each neuron, ascending.
class TokensOfNeurons {
 public:
  TokensOfNeurons(const base::Matrix<int32_t>& activated, int64_t num_neurons)
      : begins_(static_cast<size_t>(num_neurons) + 1),
        tokens_(activated.values().size()) {
    for (const int32_t n : activated.values()) {
      MOE_CHECK(n >= 0 && n < num_neurons);
      ++begins_[static_cast<size_t>(n) + 1];
    }
    std::partial_sum(begins_.begin(), begins_.end(), begins_.begin());
    std::vector<size_t> next(begins_.begin(), begins_.end() - 1);
    for (int64_t t = 0; t < activated.rows(); ++t) {
      for (const int32_t n : activated.Row(t)) {
        tokens_[next[static_cast<size_t>(n)]++] = t;
      }
    }
  }

  absl::Span<const int64_t> Of(int64_t neuron) const {
    const size_t begin = begins_[static_cast<size_t>(neuron)];
    return absl::MakeConstSpan(tokens_).subspan(
        begin, begins_[static_cast<size_t>(neuron) + 1] - begin);
  }
  // c_n
  int64_t Count(int64_t neuron) const {
    return static_cast<int64_t>(Of(neuron).size());
  }
  // c [I]. A count is exact in double.
  std::vector<double> Counts() const {
    std::vector<double> counts;
    for (size_t n = 0; n + 1 < begins_.size(); ++n) {
      counts.push_back(static_cast<double>(begins_[n + 1] - begins_[n]));
    }
    return counts;
  }
  int64_t Sum(absl::Span<const int64_t> neurons) const {
    int64_t sum = 0;
    for (const int64_t n : neurons) sum += Count(n);
    return sum;
  }

 private:
  std::vector<size_t> begins_;
  std::vector<int64_t> tokens_;
};

// The k-means of one layer.
class RateClustering {
 public:
  RateClustering(const base::Matrix<int32_t>& activated,
                 const TokensOfNeurons& tokens, std::vector<int64_t> routed,
                 int64_t num_experts, base::ThreadPool& pool)
      : activated_(activated),
        tokens_(tokens),
        routed_(std::move(routed)),
        num_experts_(num_experts),
        expert_size_(static_cast<int64_t>(routed_.size()) / num_experts),
        pool_(pool),
        expert_of_(tokens.Counts().size(), kNoExpert),
        counts_(activated.rows(), num_experts),
        products_(static_cast<int64_t>(routed_.size()), num_experts),
        costs_(products_.rows(), num_experts),
        prices_(static_cast<size_t>(num_experts)) {}

  // Centroids of one neuron each.
  void Start() {
    std::vector<int64_t> ranked = routed_;
    std::stable_sort(ranked.begin(), ranked.end(), [&](int64_t a, int64_t b) {
      return tokens_.Count(a) > tokens_.Count(b);
    });
    for (int64_t e = 0; e < num_experts_; ++e) {
      ExpertOf(ranked[static_cast<size_t>(e)]) = static_cast<int32_t>(e);
    }
    TakeCounts();
    TakeProducts();
  }

  // Experts and centroids once more. Returns whether a neuron has moved.
  absl::StatusOr<bool> Iterate() {
    const absl::Span<const int64_t> products = products_.values();
    std::transform(
        products.begin(), products.end(), costs_.values().begin(),
        [](int64_t product) { return -static_cast<float>(product); });
    MOE_ASSIGN_OR_RETURN(
        const absl::Span<const int32_t> assigned,
        assigner_.Assign(costs_.view(), {expert_size_, expert_size_},
                         absl::MakeSpan(prices_), pool_));
    bool has_moved = false;
    for (size_t i = 0; i < routed_.size(); ++i) {
      has_moved |= ExpertOf(routed_[i]) != assigned[i];
      ExpertOf(routed_[i]) = assigned[i];
    }
    if (!has_moved) return false;
    TakeCounts();
    TakeProducts();
    return true;
  }

  // sum_n |A_n - C_e(n)|^2 = sum_n c_n - sum_n A_n . S_e(n) / m
  double Spread() const {
    const int64_t whole = expert_size_ * tokens_.Sum(routed_);
    if (whole == 0) return 0.0;
    int64_t within = 0;
    for (size_t i = 0; i < routed_.size(); ++i) within += OwnProduct(i);
    return static_cast<double>(whole - within) / static_cast<double>(whole);
  }

  base::Matrix<int64_t> Experts() const {
    base::Matrix<int64_t> experts(num_experts_, expert_size_);
    std::vector<int64_t> filled(static_cast<size_t>(num_experts_));
    for (const int64_t n : routed_) {
      const int32_t e = ExpertOf(n);
      experts.view().RowData(e)[filled[static_cast<size_t>(e)]++] = n;
    }
    return experts;
  }

  // m |A_n - C_e|^2 is m c_n - 2 A_n . S_e, and what is the same for all n.
  std::vector<int64_t> Representatives() const {
    std::vector<int64_t> nearest(static_cast<size_t>(num_experts_), -1);
    std::vector<int64_t> least(static_cast<size_t>(num_experts_));
    for (size_t i = 0; i < routed_.size(); ++i) {
      const auto e = static_cast<size_t>(ExpertOf(routed_[i]));
      const int64_t distance =
          expert_size_ * tokens_.Count(routed_[i]) - 2 * OwnProduct(i);
      if (nearest[e] >= 0 && distance >= least[e]) continue;
      nearest[e] = routed_[i];
      least[e] = distance;
    }
    return nearest;
  }

  base::Matrix<int32_t> TakeCountsAway() { return std::move(counts_); }

 private:
  int32_t& ExpertOf(int64_t neuron) {
    return expert_of_[static_cast<size_t>(neuron)];
  }
  int32_t ExpertOf(int64_t neuron) const {
    return expert_of_[static_cast<size_t>(neuron)];
  }
  // A_n . S_e of neuron routed_[i] and its expert.
  int64_t OwnProduct(size_t i) const {
    return products_.view().RowData(
        static_cast<int64_t>(i))[ExpertOf(routed_[i])];
  }

  // S_te
  void TakeCounts() {
    pool_.ParallelFor(0, activated_.rows(), kTokenGrain,
                      [&](int64_t begin, int64_t end) {
                        for (int64_t t = begin; t < end; ++t) {
                          int32_t* const row = counts_.view().RowData(t);
                          std::fill_n(row, num_experts_, 0);
                          for (const int32_t n : activated_.Row(t)) {
                            const int32_t e = ExpertOf(n);
                            if (e != kNoExpert) ++row[e];
                          }
                        }
                      });
  }

  // A_n . S_e = sum of S_te over the tokens t that activate n
  void TakeProducts() {
    pool_.ParallelFor(
        0, products_.rows(), kNeuronGrain, [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) {
            int64_t* const row = products_.view().RowData(i);
            std::fill_n(row, num_experts_, int64_t{0});
            for (const int64_t t :
                 tokens_.Of(routed_[static_cast<size_t>(i)])) {
              const int32_t* const counts = counts_.view().RowData(t);
              for (int64_t e = 0; e < num_experts_; ++e) row[e] += counts[e];
            }
          }
        });
  }

  const base::Matrix<int32_t>& activated_;
  const TokensOfNeurons& tokens_;
  const std::vector<int64_t> routed_;  // Ascending.
  const int64_t num_experts_;
  const int64_t expert_size_;
  base::ThreadPool& pool_;
  std::vector<int32_t> expert_of_;  // [I]
  base::Matrix<int32_t> counts_;    // [T, E]
  base::Matrix<int64_t> products_;  // [routed, E]
  base::Matrix<float> costs_;       // [routed, E]
  gates::BalancedAssigner assigner_;
  std::vector<double> prices_;
};

}  // namespace

absl::Status ActivateNeurons(base::MatrixView<const float> activations,
                             base::MatrixView<int32_t> activated,
                             base::Matrix<float>& buffer,
                             base::ThreadPool& pool) {
  MOE_CHECK(activated.rows == activations.rows);
  for (int64_t first = 0; first < activations.rows; first += kRateRowsAtOnce) {
    const int64_t last = std::min(first + kRateRowsAtOnce, activations.rows);
    const base::MatrixView<const float> rows = activations.Rows(first, last);
    if (buffer.rows() < rows.rows || buffer.cols() != rows.cols) {
      buffer = base::Matrix<float>(rows.rows, rows.cols);
    }
    std::vector<char> are_finite(static_cast<size_t>(rows.rows));
    pool.ParallelFor(
        0, rows.rows, kTokenGrain, [&](int64_t begin, int64_t end) {
          for (int64_t r = begin; r < end; ++r) {
            are_finite[static_cast<size_t>(r)] = static_cast<char>(
                TakeMagnitudes(rows.Row(r), buffer.view().RowData(r)));
          }
        });
    for (int64_t r = 0; r < rows.rows; ++r) {
      if (are_finite[static_cast<size_t>(r)] == 0)
        return NotFinite(rows.Row(r));
    }
    kernels::TopK(buffer.view().Rows(0, rows.rows), activated.Rows(first, last),
                  pool);
  }
  return absl::OkStatus();
}

absl::StatusOr<ActivationRateLayer> SplitLayerByActivationRate(
    const base::Matrix<int32_t>& activated, int64_t num_neurons,
    const ActivationRateSplitOptions& options, int64_t expert_size,
    base::ThreadPool& pool) {
  MOE_CHECK(options.num_shared_neurons() +
                options.num_experts() * expert_size ==
            num_neurons);
  const TokensOfNeurons tokens(activated, num_neurons);
  std::vector<int64_t> shared =
      LargestNeurons(tokens.Counts(), options.num_shared_neurons());
  std::vector<int64_t> routed = OtherNeurons(num_neurons, shared);
  ActivationRateLayer layer;
  layer.shared = tokens.Sum(shared);
  layer.routed = tokens.Sum(routed);
  RateClustering clustering(activated, tokens, std::move(routed),
                            options.num_experts(), pool);
  clustering.Start();
  for (int64_t i = 0; i < options.iterations(); ++i) {
    MOE_ASSIGN_OR_RETURN(const bool has_moved, clustering.Iterate());
    if (!has_moved && i > 0) break;
    layer.spread.push_back(clustering.Spread());
  }
  layer.indices.experts = clustering.Experts();
  if (!shared.empty()) layer.indices.residual = std::move(shared);
  layer.representatives = clustering.Representatives();
  layer.counts = clustering.TakeCountsAway();
  return layer;
}

int64_t ChosenActivations(const base::Matrix<int32_t>& counts,
                          const base::Matrix<int32_t>& chosen) {
  int64_t sum = 0;
  for (int64_t t = 0; t < counts.rows(); ++t) {
    for (const int32_t e : chosen.Row(t)) sum += counts.view().RowData(t)[e];
  }
  return sum;
}

int64_t MostActivations(const base::Matrix<int32_t>& counts, int64_t top_k) {
  int64_t sum = 0;
  std::vector<int32_t> row;
  for (int64_t t = 0; t < counts.rows(); ++t) {
    row.assign(counts.Row(t).begin(), counts.Row(t).end());
    std::partial_sort(row.begin(), row.begin() + top_k, row.end(),
                      std::greater<>());
    sum = std::accumulate(row.begin(), row.begin() + top_k, sum);
  }
  return sum;
}

// For each token its neurons, twice, S and a sorted row; for each neuron
// products, costs and heaps of the assignment as in ClusteringMemory; and the
// rows whose magnitudes are taken together.
int64_t ActivationRateLayerBytes(const ActivationRateLayerSize& size,
                                 const ActivationRateSplitOptions& options) {
  constexpr int64_t kHeapEntryBytes = 2 * 16, kHeapBytes = 24;
  constexpr int64_t kNeuronBytes = 4 * 8 + 4 * 8 + 4 * 4 + 2 * 16;
  constexpr int64_t kActivationBytes = sizeof(int32_t) + sizeof(int64_t);
  constexpr int64_t kPairBytes = sizeof(int64_t) + sizeof(float);
  const int64_t num_experts = options.num_experts();
  const int64_t rows = std::min(kRateRowsAtOnce, size.num_tokens);
  return size.num_tokens * (options.activated_neurons() * kActivationBytes +
                            num_experts * int64_t{sizeof(int32_t)}) +
         size.intermediate_size *
             (num_experts * (kPairBytes + kHeapEntryBytes) + kNeuronBytes) +
         num_experts * num_experts * kHeapBytes +
         rows * (size.intermediate_size * int64_t{sizeof(float)} + 1);
}

}  // namespace moe::reconstruct
