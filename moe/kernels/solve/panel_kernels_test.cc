#include "moe/kernels/solve/panel_kernels.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "moe/base/matrix.h"
#include "moe/kernels/solve/testing/solve_test_data.h"
#include "moe/kernels/testing/kernel_test.h"

namespace moe::kernels::internal {
namespace {

using ::moe::kernels::testing::BitsEqual;
using ::moe::kernels::testing::KernelMachineName;
using ::moe::kernels::testing::KernelMachines;
using ::moe::kernels::testing::RandomMatrix;
using ::moe::kernels::testing::RandomTriangle;
using ::testing::ValuesIn;

using PanelKernelsTest = ::moe::kernels::testing::KernelTest;

// c as it has to be after the product.
base::Matrix<double> WantedProduct(const PanelProduct& p,
                                   base::Matrix<double> c) {
  for (int64_t r = 0; r < p.rows; ++r) {
    double* const row = c.view().RowData(r);
    for (int64_t j = 0; j < p.cols && j <= r + p.diagonal; ++j) {
      for (int64_t k = 0; k < p.depth; ++k) {
        row[j] = std::fma(p.a[r * kRowStride + k],
                          p.panel[k * kPanelColumns + j], row[j]);
      }
    }
  }
  return c;
}

// Rows around every tile, all widths, and diagonals through, left of and right
// of the panel. What is not part of the result stays.
TEST_P(PanelKernelsTest, AddsProducts) {
  const base::Matrix<double> a = RandomMatrix(29, kRowStride, "a");
  const base::Matrix<double> panel =
      RandomMatrix(kMaxDepth, kPanelColumns, "panel");
  const base::Matrix<double> before = RandomMatrix(29, 19, "c");
  for (const int64_t rows : {1, 2, 3, 5, 6, 7, 13, 14, 15, 28, 29}) {
    for (const int64_t cols : {1, 3, 4, 5, 8, 9, 15, 16}) {
      for (const int64_t diagonal : {int64_t{-30}, int64_t{-7}, int64_t{0},
                                     int64_t{5}, PanelProduct{}.diagonal}) {
        for (const int64_t depth : {0, 1, 9}) {
          SCOPED_TRACE(absl::StrCat(rows, " x ", cols, " x ", depth, " from ",
                                    diagonal));
          base::Matrix<double> c = before;
          const PanelProduct product = {a.values().data(),
                                        panel.values().data(),
                                        depth,
                                        c.values().data(),
                                        c.cols(),
                                        rows,
                                        cols,
                                        diagonal};
          ChoosePanelKernels().add_product(product);
          const base::Matrix<double> want = WantedProduct(product, before);
          ASSERT_TRUE(BitsEqual<double>(c.values(), want.values()));
        }
      }
    }
  }
}

// The transpose of the factor, and y with y T = b for rows b.
TEST_P(PanelKernelsTest, FactorsAndSolvesTriangles) {
  for (const int64_t size : {1, 2, 5, 15, 16}) {
    SCOPED_TRACE(size);
    const base::Matrix<double> matrix =
        RandomTriangle(size, static_cast<double>(size), "a");
    base::Matrix<double> values = base::Matrix<double>::Zeros(16, kRowStride);
    for (int64_t i = 0; i < size; ++i) {
      const double* const row = matrix.view().RowData(i);
      std::copy(row, row + i + 1, values.view().RowData(i));
    }
    base::Matrix<double> triangle =
        base::Matrix<double>::Zeros(16, kPanelColumns);
    const PanelKernels kernels = ChoosePanelKernels();
    ASSERT_EQ(kernels.factor(
                  {values.values().data(), size, triangle.values().data()}),
              -1);
    base::Matrix<double> y = RandomMatrix(3, kRowStride, "right sides");
    const base::Matrix<double> right_sides = y;
    base::Matrix<double> negated = base::Matrix<double>::Zeros(3, kRowStride);
    kernels.solve({triangle.values().data(), size, y.values().data(),
                   negated.values().data(), 3});
    for (int64_t i = 0; i < size; ++i) {
      for (int64_t r = 0; r < 3; ++r) {
        const double* const unknowns = y.view().RowData(r);
        EXPECT_EQ(negated.view().RowData(r)[i], -unknowns[i]);
        double sum = 0.0;
        for (int64_t k = 0; k <= i; ++k) {
          sum += unknowns[k] * values.view().RowData(i)[k];
          EXPECT_EQ(values.view().RowData(i)[k], triangle.view().RowData(k)[i]);
        }
        EXPECT_NEAR(sum, right_sides.view().RowData(r)[i], 1e-14);
      }
    }
  }
}

TEST_P(PanelKernelsTest, StopsAtABadPivot) {
  for (const double bad : {0.0, -1.0, std::numeric_limits<double>::infinity(),
                           std::numeric_limits<double>::quiet_NaN()}) {
    base::Matrix<double> values = base::Matrix<double>::Zeros(16, kRowStride);
    for (int64_t i = 0; i < 16; ++i) values.view().RowData(i)[i] = 4.0;
    values.view().RowData(9)[9] = bad;
    base::Matrix<double> triangle =
        base::Matrix<double>::Zeros(16, kPanelColumns);
    EXPECT_EQ(ChoosePanelKernels().factor(
                  {values.values().data(), 16, triangle.values().data()}),
              9);
    EXPECT_EQ(triangle.view().RowData(8)[8], 2.0);
  }
}

INSTANTIATE_TEST_SUITE_P(All, PanelKernelsTest, ValuesIn(KernelMachines()),
                         KernelMachineName);

}  // namespace
}  // namespace moe::kernels::internal
