#include "moe/reconstruct/energy_router.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/memory_budget.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/gemm/gemm.h"
#include "moe/kernels/gemm/packed_matrix.h"
#include "moe/kernels/solve/weighted_sums.h"
#include "moe/kernels/testing/kernel_test.h"
#include "moe/model/layer/expert_routing.h"
#include "moe/model/walk/hidden_states.h"

namespace moe::reconstruct {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::kernels::testing::TestMatrix;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class EnergyRouterTest : public ::testing::Test {
 protected:
  model::HiddenStates Rows(base::MatrixView<const float> x) {
    model::HiddenStates rows =
        model::HiddenStates::Create(x.rows, x.cols, budget_, "").value();
    EXPECT_TRUE(rows.StoreCopy(0, x, buffer_).ok());
    return rows;
  }
  model::HiddenStates Rows(int64_t rows, int64_t cols,
                           std::vector<float> values) {
    return Rows(base::MatrixView<const float>(values.data(), rows, cols));
  }

  base::ThreadPool pool_{2};
  base::MemoryBudget budget_;
  base::Matrix<float> buffer_;
};

// Two features that never meet: g_i = sum w y x / (sum w x^2 + lambda).
// Feature 0: sum w x^2 = 2 * 1 + 1 * 4 = 6; feature 1: 3 * 4 = 12. With ridge
// 1/3, lambda = (6 + 12) / 2 / 3 = 3. Targets 3, 6 and -5 give sums
// 2 * 3 * 1 + 1 * 6 * 2 = 18 and 3 * -5 * 2 = -30: g = 18 / 9, -30 / 15.
// The logits 2, 4, -4 have the weighted mean square (2 * 4 + 16 + 3 * 16) / 3 =
// 24: 1/32 is the largest power of two that brings its root to 0.25 or less.
TEST_F(EnergyRouterTest, SolvesARidgeRegression) {
  const std::vector<float> x = {1, 0, 2, 0, 0, 2};
  const std::vector<float> y = {3, 6, -5};
  const std::vector<float> weights = {2, 1, 3};
  model::HiddenStates inputs = Rows(3, 2, x);
  MOE_ASSERT_OK_AND_ASSIGN(
      const RouterRegression regression,
      RouterRegression::Create(inputs, weights, 1.0 / 3.0, pool_));
  base::Matrix<double> sums = base::Matrix<double>::Zeros(1, 2);
  kernels::AddWeightedProducts(base::MatrixView<const float>(y.data(), 3, 1),
                               base::MatrixView<const float>(x.data(), 3, 2),
                               weights, sums, pool_);
  MOE_ASSERT_OK_AND_ASSIGN(const base::Matrix<float> router,
                           regression.Solve(sums, 0.25, pool_));
  EXPECT_THAT(router.values(), ElementsAre(0.0625f, -0.0625f));
}

TEST_F(EnergyRouterTest, SaysThatTheRidgeIsTooSmall) {
  // Two tokens for three features.
  model::HiddenStates inputs = Rows(2, 3, {1, 2, 3, 4, 5, 7});
  EXPECT_THAT(RouterRegression::Create(inputs, {1, 1}, 0.0, pool_).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("the router's normal equations"),
                             HasSubstr("2 tokens for 3 features with ridge 0;"),
                             HasSubstr("raise ridge or use more text"))));
  EXPECT_TRUE(RouterRegression::Create(inputs, {1, 1}, 0.1, pool_).ok());
  // Enough tokens, but a feature is always 0.
  model::HiddenStates zeros = Rows(3, 2, {1, 0, 2, 0, 3, 0});
  EXPECT_THAT(RouterRegression::Create(zeros, {1, 1, 1}, 0.0, pool_).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("3 tokens for 2 features"),
                             HasSubstr("pivot"), HasSubstr("raise ridge"))));
}

TEST_F(EnergyRouterTest, RefusesWeightsBeyondAFloat) {
  model::HiddenStates inputs = Rows(1, 1, {1});
  MOE_ASSERT_OK_AND_ASSIGN(const RouterRegression regression,
                           RouterRegression::Create(inputs, {1}, 0.0, pool_));
  base::Matrix<double> sums(1, 1, std::vector<double>{1e300});
  EXPECT_THAT(regression.Solve(sums, 1.0, pool_).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("router weight [0, 0]: expected a finite")));
}

TEST_F(EnergyRouterTest, RanksByLogitsTiesToTheLowest) {
  model::HiddenStates inputs = Rows(2, 2, {1, 0, 0, 1});
  const std::vector<float> router = {1, 5, 3, 5, 3, 4, 2, 9};
  base::Matrix<int32_t> chosen(2, 3);
  MOE_ASSERT_OK(
      ChooseExperts(inputs, base::MatrixView<const float>(router.data(), 4, 2),
                    ExpertRanking::kLogits, chosen.view(), pool_));
  EXPECT_THAT(chosen.Row(0), ElementsAre(1, 2, 3));  // 1, 3, 3, 2
  EXPECT_THAT(chosen.Row(1), ElementsAre(3, 0, 1));  // 5, 5, 4, 9
}

TEST_F(EnergyRouterTest, NamesTheTokenOfALogitThatIsNotFinite) {
  model::HiddenStates inputs = Rows(2, 1, {1, 1e30f});
  const std::vector<float> router = {1, 1e30f};
  base::Matrix<int32_t> chosen(2, 1);
  EXPECT_THAT(
      ChooseExperts(inputs, base::MatrixView<const float>(router.data(), 2, 1),
                    ExpertRanking::kLogits, chosen.view(), pool_),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("router logit of token 1 for expert 1")));
}

// Tiny logits, so that many probabilities are equal as floats: the choice is
// that of the converted model all the same.
TEST_F(EnergyRouterTest, RanksByProbabilitiesAsTheModelDoes) {
  const TestMatrix x = TestMatrix(700, 24).Fill("inputs");
  const TestMatrix g = TestMatrix(13, 24).Fill("router", 0x1p-22f);
  model::HiddenStates inputs = Rows(x.view());
  base::Matrix<int32_t> chosen(700, 4), by_logits(700, 4);
  MOE_ASSERT_OK(ChooseExperts(inputs, g.view(), ExpertRanking::kProbabilities,
                              chosen.view(), pool_));
  MOE_ASSERT_OK(ChooseExperts(inputs, g.view(), ExpertRanking::kLogits,
                              by_logits.view(), pool_));
  EXPECT_FALSE(chosen == by_logits);
  base::Matrix<float> logits(700, 13);
  kernels::Gemm(x.view(), kernels::PackedMatrix::Pack(g.view(), pool_),
                logits.view(), pool_);
  const std::vector<model::ExpertTokens> want =
      model::RouteTokens({4, 1.0}, logits.view(), pool_);
  for (int64_t e = 0; e < 13; ++e) {
    std::vector<int64_t> got;
    for (int64_t t = 0; t < 700; ++t) {
      const auto row = chosen.Row(t);
      if (std::find(row.begin(), row.end(), e) != row.end()) got.push_back(t);
    }
    EXPECT_EQ(got, want[static_cast<size_t>(e)].rows) << e;
  }
}

}  // namespace
}  // namespace moe::reconstruct
