#include "moe/model/layer/expert_routing.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/kernels/testing/kernel_test.h"

namespace moe::model {
namespace {

using ::moe::kernels::testing::KernelMachineName;
using ::moe::kernels::testing::KernelMachines;
using ::moe::kernels::testing::TestMatrix;
using ::testing::ElementsAre;
using ::testing::FloatEq;
using ::testing::IsEmpty;
using ::testing::ValuesIn;

using ExpertRoutingTest = ::moe::kernels::testing::KernelTest;

std::vector<ExpertTokens> Route(const RoutingOptions& options,
                                std::vector<float> logits, int64_t num_experts,
                                base::ThreadPool& pool) {
  const auto num_tokens = static_cast<int64_t>(logits.size()) / num_experts;
  return RouteTokens(
      options, base::MatrixView<float>(logits.data(), num_tokens, num_experts),
      pool);
}

TEST_P(ExpertRoutingTest, WeighsTheChosen) {
  // Probabilities 1/8, 1/2, 1/8, 1/4; then 2/3, 1/6, 1/12, 1/12.
  const float log2 = std::log(2.0f);
  const std::vector<ExpertTokens> tokens =
      Route({.top_k = 2, .scale = 4.0},
            {0, 2 * log2, 0, log2, 3 * log2, log2, 0, 0}, 4, pool());
  ASSERT_EQ(tokens.size(), 4);
  // 4 * (1/2) / (3/4), 4 * (1/4) / (3/4); 4 * (2/3) / (5/6), 4 * (1/6) / (5/6).
  EXPECT_THAT(tokens[0].rows, ElementsAre(1));
  EXPECT_THAT(tokens[0].weights, ElementsAre(FloatEq(3.2f)));
  EXPECT_THAT(tokens[1].rows, ElementsAre(0, 1));
  EXPECT_THAT(tokens[1].weights,
              ElementsAre(FloatEq(8.0f / 3.0f), FloatEq(0.8f)));
  EXPECT_THAT(tokens[2].rows, IsEmpty());
  EXPECT_THAT(tokens[3].rows, ElementsAre(0));
  EXPECT_THAT(tokens[3].weights, ElementsAre(FloatEq(4.0f / 3.0f)));
}

TEST_P(ExpertRoutingTest, TiesGoToTheLowestExpert) {
  const std::vector<ExpertTokens> tokens =
      Route({.top_k = 2, .scale = 3.0},
            {1, 1, 1, 1,      //
             0, 5, 0, 5,      //
             0, -0.0f, 7, 0,  //
             // As logits they differ, as probabilities beside 100 not.
             -100, -101, 100, -102},
            4, pool());
  EXPECT_THAT(tokens[0].rows, ElementsAre(0, 2, 3));
  EXPECT_THAT(tokens[1].rows, ElementsAre(0, 1));
  EXPECT_THAT(tokens[2].rows, ElementsAre(2, 3));
  EXPECT_THAT(tokens[3].rows, ElementsAre(1));
  EXPECT_EQ(tokens[1].weights[0], 1.5f);
  EXPECT_EQ(tokens[0].weights[2], 0.0f);
  EXPECT_EQ(tokens[2].weights[1], 3.0f);
}

TEST_P(ExpertRoutingTest, AllExpertsHaveTheirProbabilities) {
  const int64_t num_tokens = 300, num_experts = 13;
  TestMatrix logits(num_tokens, num_experts);
  logits.Fill("logits", 6.0f);
  TestMatrix p = logits;
  const std::vector<ExpertTokens> tokens =
      RouteTokens({.top_k = num_experts}, p.view(), pool());
  std::vector<int64_t> every(static_cast<size_t>(num_tokens));
  std::iota(every.begin(), every.end(), 0);
  for (size_t e = 0; e < tokens.size(); ++e) {
    ASSERT_EQ(tokens[e].rows, every);
    for (int64_t t = 0; t < num_tokens; ++t) {
      double sum = 0.0;
      for (const float x : logits.view().Row(t)) sum += std::exp(double{x});
      const double want = std::exp(double{logits.view().Row(t)[e]}) / sum;
      // Rounding x - max, of up to 12, alone moves it by 2^-21.
      ASSERT_NEAR(tokens[e].weights[static_cast<size_t>(t)], want, 1e-6 * want);
    }
  }
}

// However many tokens there are beside it.
TEST_P(ExpertRoutingTest, ATokensExpertsAreItsOwnAffair) {
  const int64_t num_tokens = 50, num_experts = 7;
  TestMatrix logits(num_tokens, num_experts);
  logits.Fill("logits", 3.0f);
  TestMatrix p = logits;
  const RoutingOptions options = {.top_k = 3, .scale = 1.7};
  const std::vector<ExpertTokens> together =
      RouteTokens(options, p.view(), pool());
  for (int64_t t = 0; t < num_tokens; ++t) {
    p = logits;
    const std::vector<ExpertTokens> alone =
        RouteTokens(options, p.view().Rows(t, t + 1), pool());
    for (size_t e = 0; e < alone.size(); ++e) {
      const auto& rows = together[e].rows;
      const auto at = std::find(rows.begin(), rows.end(), t);
      ASSERT_EQ(alone[e].rows.size(), at == rows.end() ? 0 : 1);
      if (at == rows.end()) continue;
      EXPECT_EQ(alone[e].weights[0],
                together[e].weights[static_cast<size_t>(at - rows.begin())]);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, ExpertRoutingTest, ValuesIn(KernelMachines()),
                         KernelMachineName);

TEST(RoutingOptionsTest, AreTheConfigurations) {
  checkpoint::MoeConfig config;
  config.num_experts_per_tok = 2;
  config.scale_factor = 4.0;
  config.top_k_attn = 3;
  config.scale_factor_attn = 5.0;
  EXPECT_EQ(MlpRoutingOptions(config).top_k, 2);
  EXPECT_EQ(MlpRoutingOptions(config).scale, 4.0);
  EXPECT_EQ(AttentionRoutingOptions(config).top_k, 3);
  EXPECT_EQ(AttentionRoutingOptions(config).scale, 5.0);
}

}  // namespace
}  // namespace moe::model
