#include "moe/reconstruct/rate_layer.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/gates/balanced_assignment.h"
#include "moe/kernels/testing/kernel_test.h"
#include "moe/reconstruct/rate_split_options.pb.h"

namespace moe::reconstruct {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::kernels::testing::FewKernelMachines;
using ::moe::kernels::testing::KernelMachineName;
using ::moe::kernels::testing::TestMatrix;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ValuesIn;

ActivationRateSplitOptions Options(int64_t num_experts, int64_t num_shared,
                                   int64_t activated, int64_t iterations) {
  ActivationRateSplitOptions options;
  options.set_num_experts(num_experts);
  options.set_num_shared_neurons(num_shared);
  options.set_top_k(1);
  options.set_activated_neurons(activated);
  options.set_iterations(iterations);
  return options;
}

// What the tokens of drawn activations activate. Each token is of one of five
// kinds, and a fifth of the neurons is for its kind.
base::Matrix<int32_t> Activated(int64_t num_tokens, int64_t num_neurons,
                                int64_t activated_neurons) {
  base::ThreadPool pool(1);
  TestMatrix h(num_tokens, num_neurons);
  h.Fill("activations");
  for (int64_t t = 0; t < num_tokens; ++t) {
    for (int64_t n = t % 5; n < num_neurons; n += 5) {
      h.view().RowData(t)[n] *= 2.0f;
    }
  }
  base::Matrix<int32_t> activated(num_tokens, activated_neurons);
  base::Matrix<float> buffer;
  MOE_EXPECT_OK(ActivateNeurons(h.view(), activated.view(), buffer, pool));
  return activated;
}

ActivationRateLayer Split(const base::Matrix<int32_t>& activated,
                          int64_t num_neurons,
                          const ActivationRateSplitOptions& options,
                          int num_threads = 2) {
  base::ThreadPool pool(num_threads);
  return SplitLayerByActivationRate(
             activated, num_neurons, options,
             (num_neurons - options.num_shared_neurons()) /
                 options.num_experts(),
             pool)
      .value();
}

TEST(ActivateNeuronsTest, TakesTheLargestMagnitudes) {
  base::ThreadPool pool(2);
  const base::Matrix<float> h(3, 4,
                              std::vector<float>{1, -3, 2, 0,   //
                                                 -1, 1, 1, -1,  //
                                                 0, -0.0f, 0.5f, -0.25f});
  base::Matrix<int32_t> activated(3, 2);
  base::Matrix<float> buffer;
  MOE_ASSERT_OK(ActivateNeurons(h.view(), activated.view(), buffer, pool));
  EXPECT_THAT(activated.Row(0), ElementsAre(1, 2));
  EXPECT_THAT(activated.Row(1), ElementsAre(0, 1));
  EXPECT_THAT(activated.Row(2), ElementsAre(2, 3));
}

TEST(ActivateNeuronsTest, NamesTheNeuronThatIsNotFinite) {
  base::ThreadPool pool(2);
  base::Matrix<int32_t> activated(2, 2);
  base::Matrix<float> buffer;
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(),
                          -std::numeric_limits<float>::infinity()}) {
    base::Matrix<float> h = base::Matrix<float>::Zeros(2, 4);
    h.view().RowData(1)[3] = bad;
    EXPECT_THAT(ActivateNeurons(h.view(), activated.view(), buffer, pool),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr("activation of neuron 3: expected "
                                         "finite numbers, found"),
                               HasSubstr("too large"))));
  }
}

// Neurons 0 and 4 are in every token. 1 and 2 go together, as do 3 and 5.
TEST(SplitLayerByActivationRateTest, PutsTogetherWhatActivatesTogether) {
  const base::Matrix<int32_t> activated(5, 4,
                                        std::vector<int32_t>{4, 0, 1, 2,  //
                                                             0, 4, 3, 5,  //
                                                             0, 2, 4, 1,  //
                                                             5, 0, 3, 4,  //
                                                             0, 4, 3, 2});
  const ActivationRateLayer layer = Split(activated, 6, Options(2, 2, 4, 10));
  EXPECT_THAT(*layer.indices.residual, ElementsAre(0, 4));
  // Rates 2, 3, 3, 2 of 1, 2, 3, 5: clusters start from 2 and 3.
  EXPECT_THAT(layer.indices.experts.Row(0), ElementsAre(1, 2));
  EXPECT_THAT(layer.indices.experts.Row(1), ElementsAre(3, 5));
  // Both are as near to the mean; the lowest stands for it.
  EXPECT_THAT(layer.representatives, ElementsAre(1, 3));
  EXPECT_EQ(layer.shared, 10);
  EXPECT_EQ(layer.routed, 10);
  EXPECT_THAT(layer.counts.Row(0), ElementsAre(2, 0));
  EXPECT_THAT(layer.counts.Row(4), ElementsAre(1, 1));
  // The neurons of an expert differ in one token, the last: 4 (1/2)^2 / 10. The
  // second iteration changes nothing.
  EXPECT_THAT(layer.spread, ElementsAre(0.1));
}

TEST(SplitLayerByActivationRateTest, NeedsNoActivatedNeurons) {
  // Only neurons 0 and 1 are activated, and both are shared.
  const base::Matrix<int32_t> activated(3, 2,
                                        std::vector<int32_t>{0, 1, 1, 0, 0, 1});
  const ActivationRateLayer layer = Split(activated, 8, Options(3, 2, 2, 4));
  EXPECT_THAT(*layer.indices.residual, ElementsAre(0, 1));
  EXPECT_EQ(layer.routed, 0);
  for (const double spread : layer.spread) EXPECT_EQ(spread, 0.0);
  for (int64_t e = 0; e < 3; ++e) {
    EXPECT_EQ(layer.representatives[static_cast<size_t>(e)],
              layer.indices.experts.Row(e)[0]);
  }
}

template <typename T>
auto& At(T& values, int64_t i) {
  return values[static_cast<size_t>(i)];
}

// The activation vectors, one number at a time.
class PlainSplit {
 public:
  PlainSplit(const base::Matrix<int32_t>& activated, int64_t num_neurons,
             const ActivationRateSplitOptions& options)
      : num_tokens_(activated.rows()), options_(options) {
    vectors_.assign(static_cast<size_t>(num_neurons), Vector(num_tokens_));
    for (int64_t t = 0; t < num_tokens_; ++t) {
      for (const int32_t n : activated.Row(t)) At(vectors_, n)[t] = 1;
    }
    std::vector<int64_t> ranked;
    for (int64_t n = 0; n < num_neurons; ++n) ranked.push_back(n);
    std::stable_sort(ranked.begin(), ranked.end(), [&](int64_t a, int64_t b) {
      return At(vectors_, a).sum() > At(vectors_, b).sum();
    });
    const auto num_shared = options.num_shared_neurons();
    shared.assign(ranked.begin(), ranked.begin() + num_shared);
    std::sort(shared.begin(), shared.end());
    for (int64_t e = 0; e < options.num_experts(); ++e) {
      sums.push_back(At(vectors_, ranked[static_cast<size_t>(num_shared + e)]));
    }
    routed_.assign(ranked.begin() + num_shared, ranked.end());
    std::sort(routed_.begin(), routed_.end());
    prices_.resize(sums.size());
    for (int64_t i = 0; i < options.iterations(); ++i) {
      if (!Iterate()) break;
      spread.push_back(Spread());
    }
  }

  // A vector over the tokens.
  struct Vector {
    explicit Vector(int64_t size) : values(static_cast<size_t>(size)) {}
    int64_t& operator[](int64_t t) { return values[static_cast<size_t>(t)]; }
    int64_t operator[](int64_t t) const {
      return values[static_cast<size_t>(t)];
    }
    int64_t sum() const {
      int64_t sum = 0;
      for (const int64_t value : values) sum += value;
      return sum;
    }
    std::vector<int64_t> values;
  };

  // |m A_n - S_e|^2, which is m^2 times the squared distance.
  int64_t Distance(int64_t neuron, int64_t expert) const {
    int64_t distance = 0;
    for (int64_t t = 0; t < num_tokens_; ++t) {
      const int64_t difference =
          size() * At(vectors_, neuron)[t] - At(sums, expert)[t];
      distance += difference * difference;
    }
    return distance;
  }

  std::vector<int64_t> Representatives() const {
    std::vector<int64_t> nearest;
    for (size_t e = 0; e < experts.size(); ++e) {
      nearest.push_back(*std::min_element(
          experts[e].begin(), experts[e].end(), [&](int64_t a, int64_t b) {
            return Distance(a, static_cast<int64_t>(e)) <
                   Distance(b, static_cast<int64_t>(e));
          }));
    }
    return nearest;
  }

  std::vector<int64_t> shared;
  std::vector<std::vector<int64_t>> experts;
  std::vector<Vector> sums;  // S, by expert.
  std::vector<double> spread;

 private:
  int64_t size() const {
    return static_cast<int64_t>(routed_.size()) / options_.num_experts();
  }

  bool Iterate() {
    const auto num_routed = static_cast<int64_t>(routed_.size());
    base::Matrix<float> costs(num_routed, options_.num_experts());
    for (int64_t i = 0; i < num_routed; ++i) {
      for (int64_t e = 0; e < options_.num_experts(); ++e) {
        int64_t product = 0;
        for (int64_t t = 0; t < num_tokens_; ++t) {
          product += At(vectors_, At(routed_, i))[t] * At(sums, e)[t];
        }
        costs.view().RowData(i)[e] = static_cast<float>(-product);
      }
    }
    base::ThreadPool pool(1);
    const absl::Span<const int32_t> assigned =
        assigner_
            .Assign(costs.view(), {size(), size()}, absl::MakeSpan(prices_),
                    pool)
            .value();
    std::vector<std::vector<int64_t>> next(sums.size());
    for (size_t i = 0; i < routed_.size(); ++i) {
      next[static_cast<size_t>(assigned[i])].push_back(routed_[i]);
    }
    if (next == experts) return false;
    experts = next;
    for (size_t e = 0; e < experts.size(); ++e) {
      sums[e] = Vector(num_tokens_);
      for (const int64_t n : experts[e]) {
        for (int64_t t = 0; t < num_tokens_; ++t) {
          sums[e][t] += At(vectors_, n)[t];
        }
      }
    }
    return true;
  }

  double Spread() const {
    int64_t distance = 0, all = 0;
    for (size_t e = 0; e < experts.size(); ++e) {
      for (const int64_t n : experts[e]) {
        distance += Distance(n, static_cast<int64_t>(e));
        all += At(vectors_, n).sum();
      }
    }
    // Whole: sum_n |m A_n - S_e|^2 is a multiple of m.
    return static_cast<double>(distance / size()) /
           static_cast<double>(size() * all);
  }

  const int64_t num_tokens_;
  const ActivationRateSplitOptions options_;
  std::vector<Vector> vectors_;
  std::vector<int64_t> routed_;
  gates::BalancedAssigner assigner_;
  std::vector<double> prices_;
};

struct LayerCase {
  int64_t num_tokens, num_neurons, num_experts, num_shared, activated,
      iterations;
};

class RateLayerBitsTest : public ::moe::kernels::testing::KernelTest {};

TEST_P(RateLayerBitsTest, IsThePlainSplit) {
  const LayerCase cases[] = {
      {200, 64, 6, 16, 5, 1}, {200, 64, 6, 16, 5, 8}, {131, 40, 5, 0, 7, 20},
      {64, 33, 3, 3, 33, 4},  {50, 24, 24, 0, 2, 4},  {50, 24, 1, 4, 3, 4},
      {700, 96, 12, 0, 4, 6},
  };
  for (const LayerCase& c : cases) {
    const base::Matrix<int32_t> activated =
        Activated(c.num_tokens, c.num_neurons, c.activated);
    const ActivationRateSplitOptions options =
        Options(c.num_experts, c.num_shared, c.activated, c.iterations);
    const int64_t size = (c.num_neurons - c.num_shared) / c.num_experts;
    MOE_ASSERT_OK_AND_ASSIGN(
        const ActivationRateLayer layer,
        SplitLayerByActivationRate(activated, c.num_neurons, options, size,
                                   pool()));
    const PlainSplit want(activated, c.num_neurons, options);
    EXPECT_EQ(layer.indices.residual.value_or(std::vector<int64_t>()),
              want.shared);
    for (int64_t e = 0; e < c.num_experts; ++e) {
      const auto at = static_cast<size_t>(e);
      EXPECT_EQ(layer.indices.experts.Row(e),
                absl::MakeConstSpan(want.experts[at]));
      for (int64_t t = 0; t < c.num_tokens; ++t) {
        ASSERT_EQ(layer.counts.view().RowData(t)[e], want.sums[at][t]);
      }
    }
    EXPECT_EQ(layer.representatives, want.Representatives());
    EXPECT_EQ(layer.spread, want.spread);
    EXPECT_EQ(layer.shared + layer.routed, c.num_tokens * c.activated);
  }
}

INSTANTIATE_TEST_SUITE_P(All, RateLayerBitsTest, ValuesIn(FewKernelMachines()),
                         KernelMachineName);

// No one of all 15 * 6 assignments of 6 neurons to experts of 2 is nearer to
// the centroids at the start, by the distances in full.
TEST(SplitLayerByActivationRateTest, AssignsAtTheLeastDistance) {
  const base::Matrix<int32_t> activated = Activated(40, 6, 2);
  const ActivationRateLayer layer = Split(activated, 6, Options(3, 0, 2, 1));
  base::Matrix<int64_t> vectors = base::Matrix<int64_t>::Zeros(6, 40);
  std::vector<int64_t> rates(6);
  for (int64_t t = 0; t < 40; ++t) {
    for (const int32_t n : activated.Row(t)) {
      vectors.view().RowData(n)[t] = 1;
      ++rates[static_cast<size_t>(n)];
    }
  }
  std::vector<size_t> ranked = {0, 1, 2, 3, 4, 5};
  std::stable_sort(ranked.begin(), ranked.end(),
                   [&](size_t a, size_t b) { return rates[a] > rates[b]; });
  const auto distance = [&](const std::vector<int>& expert_of) {
    int64_t sum = 0;
    for (size_t n = 0; n < 6; ++n) {
      const auto start =
          static_cast<int64_t>(ranked[static_cast<size_t>(expert_of[n])]);
      for (int64_t t = 0; t < 40; ++t) {
        const int64_t difference =
            vectors.view().RowData(static_cast<int64_t>(n))[t] -
            vectors.view().RowData(start)[t];
        sum += difference * difference;
      }
    }
    return sum;
  };
  std::vector<int> expert_of = {0, 0, 1, 1, 2, 2};
  int64_t least = std::numeric_limits<int64_t>::max();
  do {
    least = std::min(least, distance(expert_of));
  } while (std::next_permutation(expert_of.begin(), expert_of.end()));
  for (int e = 0; e < 3; ++e) {
    for (const int64_t n : layer.indices.experts.Row(e)) {
      expert_of[static_cast<size_t>(n)] = e;
    }
  }
  EXPECT_EQ(distance(expert_of), least);
}

TEST(SplitLayerByActivationRateTest, NoIterationSpreadsMore) {
  const ActivationRateLayer layer =
      Split(Activated(500, 96, 6), 96, Options(8, 16, 6, 100));
  ASSERT_GT(layer.spread.size(), 1u);
  EXPECT_LT(layer.spread.size(), 100u);
  for (size_t i = 1; i < layer.spread.size(); ++i) {
    EXPECT_LE(layer.spread[i], layer.spread[i - 1]);
  }
}

TEST(ChosenActivationsTest, AddsTheChosenAndTheMost) {
  const base::Matrix<int32_t> counts(2, 3,
                                     std::vector<int32_t>{1, 4, 2, 0, 3, 5});
  const base::Matrix<int32_t> chosen(2, 2, std::vector<int32_t>{2, 0, 1, 2});
  EXPECT_EQ(ChosenActivations(counts, chosen), 2 + 1 + 3 + 5);
  EXPECT_EQ(MostActivations(counts, 2), 4 + 2 + 5 + 3);
  EXPECT_EQ(MostActivations(counts, 1), 4 + 5);
}

}  // namespace
}  // namespace moe::reconstruct
