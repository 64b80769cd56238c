#include "moe/kernels/rows/least_two.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/testing/kernel_test.h"
#include "moe/kernels/testing/row_shapes.h"

namespace moe::kernels {
namespace {

using ::moe::kernels::testing::KernelMachineName;
using ::moe::kernels::testing::KernelMachines;
using ::moe::kernels::testing::RowShape;
using ::moe::kernels::testing::RowShapes;
using ::moe::kernels::testing::TestMatrix;
using ::testing::ValuesIn;

using LeastTwoTest = ::moe::kernels::testing::KernelTest;

// Costs below 4 as integers of 2^20 units: nearbyint rounds ties to even.
constexpr double kScale = 1 << 20;

std::vector<double> NumbersOfRow(absl::Span<const float> costs,
                                 absl::Span<const double> prices) {
  std::vector<double> numbers;
  for (size_t e = 0; e < costs.size(); ++e) {
    numbers.push_back(std::nearbyint(static_cast<double>(costs[e]) * kScale) +
                      prices[e]);
  }
  return numbers;
}

void ExpectLeastTwo(base::MatrixView<const float> x,
                    absl::Span<const double> prices, base::ThreadPool& pool) {
  std::vector<int32_t> least(static_cast<size_t>(x.rows), -1);
  std::vector<double> margins(static_cast<size_t>(x.rows), -1.0);
  LeastTwo({x, kScale, prices}, absl::MakeSpan(least), absl::MakeSpan(margins),
           pool);
  for (int64_t t = 0; t < x.rows; ++t) {
    std::vector<double> numbers = NumbersOfRow(x.Row(t), prices);
    const auto at = std::min_element(numbers.begin(), numbers.end());
    ASSERT_EQ(least[static_cast<size_t>(t)], at - numbers.begin()) << t;
    const double value = *at;
    numbers.erase(at);
    const double second =
        numbers.empty() ? kInfiniteMargin
                        : *std::min_element(numbers.begin(), numbers.end());
    ASSERT_EQ(margins[static_cast<size_t>(t)], second - value) << t;
  }
}

TEST_P(LeastTwoTest, AreThoseOfTheSortedRow) {
  for (const RowShape& s : RowShapes()) {
    if (s.cols == 0) continue;
    SCOPED_TRACE(s);
    TestMatrix x(s.rows, s.cols, s.misalignment, s.padding);
    x.Fill("x");
    std::vector<double> prices(static_cast<size_t>(s.cols));
    ExpectLeastTwo(x.view(), prices, pool());
    for (size_t e = 0; e < prices.size(); ++e) {
      prices[e] = static_cast<double>(e * e % 7) * 0x1p18 - 0x1p19;
    }
    ExpectLeastTwo(x.view(), prices, pool());
    // Coarse, so that many are equal.
    for (int64_t t = 0; t < s.rows; ++t) {
      for (float& value : x.view().Row(t)) value = std::floor(value);
    }
    ExpectLeastTwo(x.view(), std::vector<double>(prices.size()), pool());
  }
}

TEST_P(LeastTwoTest, LargestMagnitudeIsOfAllNumbers) {
  for (const RowShape& s : RowShapes()) {
    SCOPED_TRACE(s);
    TestMatrix x(s.rows, s.cols, s.misalignment, s.padding);
    x.Fill("x");
    float want = 0.0f;
    for (int64_t t = 0; t < s.rows; ++t) {
      for (const float value : x.view().Row(t)) {
        want = std::max(want, std::fabs(value));
      }
    }
    EXPECT_EQ(LargestMagnitude(x.view(), pool()), want);
  }
  TestMatrix x(100, 33);
  x.Fill("x");
  x.view().Row(57)[32] = -std::numeric_limits<float>::infinity();
  EXPECT_TRUE(std::isinf(LargestMagnitude(x.view(), pool())));
  x.view().Row(3)[0] = -std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(LargestMagnitude(x.view(), pool())));
}

INSTANTIATE_TEST_SUITE_P(All, LeastTwoTest, ValuesIn(KernelMachines()),
                         KernelMachineName);

TEST(LeastTwoMathTest, ByHand) {
  base::ThreadPool pool(1);
  // 2.5 and 3.5 are as far from both neighbours: to 2 and 4.
  const std::vector<float> costs = {2.5f, 3.5f, 3.0f, 1.0f};
  std::vector<int32_t> least(2);
  std::vector<double> margins(2);
  LeastTwo(
      {base::MatrixView<const float>(costs.data(), 2, 2), 1.0, {1.0, -1.0}},
      absl::MakeSpan(least), absl::MakeSpan(margins), pool);
  EXPECT_EQ(least, (std::vector<int32_t>{0, 1}));
  EXPECT_EQ(margins, (std::vector<double>{0.0, 4.0}));
}

}  // namespace
}  // namespace moe::kernels
