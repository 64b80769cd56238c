#include "moe/kernels/rows/elementwise.h"

#include <cmath>
#include <cstdint>
#include <optional>

#include "gtest/gtest.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/testing/kernel_test.h"
#include "moe/kernels/testing/row_shapes.h"

namespace moe::kernels {
namespace {

using ::moe::kernels::testing::BitsEqual;
using ::moe::kernels::testing::KernelMachineName;
using ::moe::kernels::testing::KernelMachines;
using ::moe::kernels::testing::RowShape;
using ::moe::kernels::testing::RowShapes;
using ::moe::kernels::testing::TestMatrix;
using ::testing::ValuesIn;

using ElementwiseTest = ::moe::kernels::testing::KernelTest;

using Operation = void (*)(base::MatrixView<const float>,
                           base::MatrixView<const float>,
                           base::MatrixView<float>, base::ThreadPool&);

void ExpectEveryNumber(Operation operation, float (*want_of)(float, float),
                       base::ThreadPool& pool) {
  for (const RowShape& s : RowShapes()) {
    SCOPED_TRACE(s);
    TestMatrix a(s.rows, s.cols, s.misalignment, s.padding);
    TestMatrix b(s.rows, s.cols), want(s.rows, s.cols);
    a.Fill("a");
    b.Fill("b");
    for (int64_t t = 0; t < s.rows; ++t) {
      for (size_t i = 0; i < static_cast<size_t>(s.cols); ++i) {
        want.view().Row(t)[i] = want_of(a.view().Row(t)[i], b.view().Row(t)[i]);
      }
    }
    operation(a.view(), b.view(), b.view(), pool);
    EXPECT_TRUE(BitsEqual(b, want));
  }
}

TEST_P(ElementwiseTest, ResidualAdd) {
  ExpectEveryNumber(
      ResidualAdd, [](float x, float z) { return x + z; }, pool());
}

TEST_P(ElementwiseTest, Subtract) {
  ExpectEveryNumber(
      Subtract, [](float x, float z) { return x - z; }, pool());
}

TEST_P(ElementwiseTest, Multiply) {
  ExpectEveryNumber(
      Multiply, [](float x, float z) { return x * z; }, pool());
}

TEST_P(ElementwiseTest, NegativeZeroStays) {
  TestMatrix a(1, 20), b(1, 20);
  for (float& value : a.view().Row(0)) value = -0.0f;
  for (float& value : b.view().Row(0)) value = -0.0f;
  ResidualAdd(a.view(), b.view(), b.view(), pool());
  for (const float value : b.view().Row(0)) EXPECT_TRUE(std::signbit(value));
}

TEST_P(ElementwiseTest, FindsTheFirstNonFinite) {
  for (const RowShape& s : RowShapes()) {
    SCOPED_TRACE(s);
    TestMatrix x(s.rows, s.cols, s.misalignment, s.padding);
    x.Fill("x", 3e38f);
    EXPECT_EQ(FindNonFinite(x.view(), pool()), std::nullopt);
    if (s.rows == 0 || s.cols == 0) continue;
    const MatrixPosition last{s.rows - 1, s.cols - 1};
    const MatrixPosition middle{s.rows / 2, s.cols / 2};
    for (const float bad : {NAN, -NAN, INFINITY, -INFINITY}) {
      TestMatrix spoilt = x;
      spoilt.view().Row(last.row)[static_cast<size_t>(last.col)] = bad;
      EXPECT_EQ(FindNonFinite(spoilt.view(), pool()), last);
      spoilt.view().Row(middle.row)[static_cast<size_t>(middle.col)] = bad;
      EXPECT_EQ(FindNonFinite(spoilt.view(), pool()), middle);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, ElementwiseTest, ValuesIn(KernelMachines()),
                         KernelMachineName);

}  // namespace
}  // namespace moe::kernels
