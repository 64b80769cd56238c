#include "moe/kernels/rows/gathered_rows.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

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

using GatheredRowsTest = ::moe::kernels::testing::KernelTest;

// Every other row, from the last: 2 (n - 1), ..., 2, 0.
std::vector<int64_t> EveryOther(int64_t n) {
  std::vector<int64_t> rows;
  for (int64_t i = n - 1; i >= 0; --i) rows.push_back(2 * i);
  return rows;
}

TEST_P(GatheredRowsTest, GatherRows) {
  for (const RowShape& s : RowShapes()) {
    SCOPED_TRACE(s);
    const std::vector<int64_t> rows = EveryOther(s.rows);
    TestMatrix x(2 * s.rows, s.cols, s.misalignment, s.padding);
    TestMatrix y(s.rows, s.cols, s.misalignment, s.padding);
    x.Fill("x");
    GatherRows(x.view(), rows, y.view(), pool());
    for (int64_t i = 0; i < s.rows; ++i) {
      EXPECT_EQ(y.view().Row(i), x.view().Row(rows[static_cast<size_t>(i)]));
    }
    EXPECT_TRUE(y.PaddingIsUntouched());
  }
}

TEST_P(GatheredRowsTest, AddWeightedRows) {
  for (const RowShape& s : RowShapes()) {
    SCOPED_TRACE(s);
    const std::vector<int64_t> rows = EveryOther(s.rows);
    TestMatrix x(s.rows, s.cols, s.misalignment, s.padding);
    TestMatrix y(2 * s.rows, s.cols, s.misalignment, s.padding);
    const std::vector<float> weights =
        TestMatrix(1, s.rows).Fill("weights").Values();
    x.Fill("x");
    y.Fill("y");
    TestMatrix want = y;
    for (size_t i = 0; i < rows.size(); ++i) {
      for (size_t c = 0; c < static_cast<size_t>(s.cols); ++c) {
        const float product =
            x.view().Row(static_cast<int64_t>(i))[c] * weights[i];
        want.view().Row(rows[i])[c] += product;
      }
    }
    AddWeightedRows(x.view(), rows, weights, y.view(), pool());
    EXPECT_TRUE(BitsEqual(y, want));
    EXPECT_TRUE(y.PaddingIsUntouched());
  }
}

// 3 (1 + 2^-23) is not a float: its product is rounded up to 3 + 2^-21 before
// the sum. Fused, the sum would be 3 * 2^-23.
TEST_P(GatheredRowsTest, TheProductIsRoundedByItself) {
  const float x = 1.0f + 0x1p-23f;
  const float y = -3.0f;
  TestMatrix a(1, 33), b(1, 33);
  for (float& value : a.view().Row(0)) value = x;
  for (float& value : b.view().Row(0)) value = y;
  AddWeightedRows(a.view(), {0}, {3.0f}, b.view(), pool());
  ASSERT_EQ(std::fma(3.0f, x, y), 0x1.8p-22f);
  for (const float value : b.view().Row(0)) EXPECT_EQ(value, 0x1p-21f);
}

INSTANTIATE_TEST_SUITE_P(All, GatheredRowsTest, ValuesIn(KernelMachines()),
                         KernelMachineName);

}  // namespace
}  // namespace moe::kernels
