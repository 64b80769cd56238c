#include "moe/kernels/solve/weighted_sums.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/solve/testing/solve_reference.h"
#include "moe/kernels/solve/testing/solve_test_data.h"
#include "moe/kernels/testing/kernel_test.h"

namespace moe::kernels {
namespace {

using ::moe::kernels::testing::BitsEqual;
using ::moe::kernels::testing::Digest;
using ::moe::kernels::testing::KernelMachineName;
using ::moe::kernels::testing::KernelMachines;
using ::moe::kernels::testing::RandomMatrix;
using ::moe::kernels::testing::RandomTriangle;
using ::moe::kernels::testing::RandomWeights;
using ::moe::kernels::testing::TestMatrix;
using ::testing::ElementsAre;
using ::testing::ValuesIn;

using WeightedSumsTest = ::moe::kernels::testing::KernelTest;

struct Shape {
  int64_t tokens, targets, inputs;
};

// Empty; one; around tiles (2, 6, 14 rows; 8, 16 columns), past the 112 rows of
// a task, the 192 tokens and the 2048 columns of a block.
std::vector<Shape> Shapes() {
  return {{0, 3, 4},      {3, 0, 4},    {3, 4, 0},     {1, 1, 1},
          {2, 5, 7},      {7, 6, 8},    {13, 13, 15},  {19, 14, 16},
          {11, 15, 17},   {191, 7, 31}, {192, 28, 32}, {193, 29, 33},
          {385, 12, 47},  {5, 113, 97}, {4, 225, 127}, {3, 57, 229},
          {130, 100, 64}, {3, 3, 2065}};
}

TEST_P(WeightedSumsTest, ProductsHaveTheReferencesBits) {
  for (const Shape& s : Shapes()) {
    SCOPED_TRACE(absl::StrCat(s.tokens, " x ", s.targets, " x ", s.inputs));
    TestMatrix targets(s.tokens, s.targets, 1, 3);
    TestMatrix inputs(s.tokens, s.inputs, 1, 2);
    targets.Fill("targets");
    inputs.Fill("inputs");
    const std::vector<float> weights = RandomWeights(s.tokens, "weights");
    base::Matrix<double> sums = RandomMatrix(s.targets, s.inputs, "sums");
    base::Matrix<double> want = sums;
    AddWeightedProducts(targets.view(), inputs.view(), weights, sums, pool());
    reference::AddWeightedProducts(targets.view(), inputs.view(), weights,
                                   want);
    EXPECT_TRUE(BitsEqual<double>(sums.values(), want.values()));
  }
}

TEST_P(WeightedSumsTest, GramHasTheReferencesBits) {
  for (const Shape& s : Shapes()) {
    if (s.inputs > 1000) continue;
    SCOPED_TRACE(absl::StrCat(s.tokens, " x ", s.inputs));
    TestMatrix inputs(s.tokens, s.inputs, 1, 2);
    inputs.Fill("inputs");
    const std::vector<float> weights = RandomWeights(s.tokens, "weights");
    base::Matrix<double> gram = RandomTriangle(s.inputs, 1.0, "gram");
    base::Matrix<double> want = gram;
    AddWeightedGram(inputs.view(), weights, gram, pool());
    reference::AddWeightedGram(inputs.view(), weights, want);
    EXPECT_TRUE(BitsEqual<double>(gram.values(), want.values()));
  }
}

// Calls of 1, 6, 0, 256 and 37 tokens give the bits of one call.
TEST_P(WeightedSumsTest, GroupingOfTokensChangesNoBit) {
  constexpr int64_t kTokens = 300, kTargets = 21, kInputs = 50;
  TestMatrix targets(kTokens, kTargets), inputs(kTokens, kInputs);
  targets.Fill("targets");
  inputs.Fill("inputs");
  const std::vector<float> weights = RandomWeights(kTokens, "weights");
  base::Matrix<double> gram = base::Matrix<double>::Zeros(kInputs, kInputs);
  base::Matrix<double> sums = base::Matrix<double>::Zeros(kTargets, kInputs);
  base::Matrix<double> want_gram = gram, want_sums = sums;
  const base::MatrixView<const float> y = targets.view(), x = inputs.view();
  AddWeightedGram(x, weights, want_gram, pool());
  AddWeightedProducts(y, x, weights, want_sums, pool());
  int64_t begin = 0;
  for (const int64_t count : {1, 6, 0, 256, 37}) {
    const int64_t end = begin + count;
    const absl::Span<const float> some = absl::MakeConstSpan(weights).subspan(
        static_cast<size_t>(begin), static_cast<size_t>(count));
    AddWeightedGram(x.Rows(begin, end), some, gram, pool());
    AddWeightedProducts(y.Rows(begin, end), x.Rows(begin, end), some, sums,
                        pool());
    begin = end;
  }
  ASSERT_EQ(begin, kTokens);
  EXPECT_TRUE(BitsEqual<double>(gram.values(), want_gram.values()));
  EXPECT_TRUE(BitsEqual<double>(sums.values(), want_sums.values()));
}

TEST_P(WeightedSumsTest, NanComesOutWhereItGoesIn) {
  TestMatrix inputs(5, 20);
  inputs.Fill("inputs");
  inputs.view().Row(3)[7] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> weights = RandomWeights(5, "weights");
  base::Matrix<double> gram = base::Matrix<double>::Zeros(20, 20);
  AddWeightedGram(inputs.view(), weights, gram, pool());
  for (int64_t i = 0; i < 20; ++i) {
    for (int64_t j = 0; j <= i; ++j) {
      EXPECT_EQ(std::isnan(gram.Row(i)[static_cast<size_t>(j)]),
                i == 7 || j == 7)
          << i << ", " << j;
    }
  }
}

TEST_P(WeightedSumsTest, SubnormalsAndNegativeZeroAreKept) {
  // -0 + 2^-149 * -0 = -0; 2^-149 * 1; 2^-149 * 2^-149 = 2^-298.
  const base::Matrix<float> x(1, 3, {-0.0f, 1.0f, 0x1p-149f});
  base::Matrix<double> sums = base::Matrix<double>::Zeros(1, 3);
  for (double& sum : sums.values()) sum = -0.0;
  const base::Matrix<float> y(1, 1, {0x1p-149f});
  AddWeightedProducts(y.view(), x.view(), {1.0f}, sums, pool());
  EXPECT_TRUE(std::signbit(sums.Row(0)[0]));
  EXPECT_THAT(sums.Row(0), ElementsAre(0.0, 0x1p-149, 0x1p-298));
}

// The same bits on every machine and in every build.
TEST_P(WeightedSumsTest, Golden) {
  TestMatrix targets(37, 19), inputs(37, 45);
  targets.Fill("targets");
  inputs.Fill("inputs");
  const std::vector<float> weights = RandomWeights(37, "weights");
  base::Matrix<double> gram = base::Matrix<double>::Zeros(45, 45);
  base::Matrix<double> sums = base::Matrix<double>::Zeros(19, 45);
  AddWeightedGram(inputs.view(), weights, gram, pool());
  AddWeightedProducts(targets.view(), inputs.view(), weights, sums, pool());
  EXPECT_EQ(Digest<double>(gram.values()), "7f14d8e9dfce5e18");
  EXPECT_EQ(Digest<double>(sums.values()), "77941d0c657378e8");
}

INSTANTIATE_TEST_SUITE_P(All, WeightedSumsTest, ValuesIn(KernelMachines()),
                         KernelMachineName);

// 2 * 3 * 3 = 18 of the first token, 0.5 * 4 * 4 = 8 of the second.
TEST(AddWeightedGramTest, SmallSums) {
  base::ThreadPool pool(1);
  const base::Matrix<float> x(2, 2, {3.0f, 1.0f, 4.0f, -2.0f});
  base::Matrix<double> gram = base::Matrix<double>::Zeros(2, 2);
  AddWeightedGram(x.view(), {2.0f, 0.5f}, gram, pool);
  EXPECT_EQ(gram.Row(0)[0], 26.0);
  EXPECT_EQ(gram.Row(1)[0], 2.0);  // 2 * 1 * 3 - 0.5 * 2 * 4
  EXPECT_EQ(gram.Row(1)[1], 4.0);  // 2 * 1 * 1 + 0.5 * 2 * 2
  EXPECT_EQ(gram.Row(0)[1], 0.0);  // Above the diagonal.
}

TEST(AddWeightedProductsTest, SmallSums) {
  base::ThreadPool pool(1);
  const base::Matrix<float> y(2, 1, {5.0f, 7.0f});
  const base::Matrix<float> x(2, 2, {3.0f, 1.0f, 4.0f, -2.0f});
  base::Matrix<double> sums(1, 2, {100.0, 200.0});
  AddWeightedProducts(y.view(), x.view(), {2.0f, 0.5f}, sums, pool);
  // 144 = 100 + 2 * 5 * 3 + 0.5 * 7 * 4; 203 = 200 + 2 * 5 * 1 - 0.5 * 7 * 2.
  EXPECT_THAT(sums.Row(0), ElementsAre(144.0, 203.0));
}

}  // namespace
}  // namespace moe::kernels
