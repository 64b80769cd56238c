#include "moe/kernels/solve/chain_product.h"

#include <cmath>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "moe/base/matrix.h"
#include "moe/kernels/solve/panel_kernels.h"
#include "moe/kernels/solve/testing/solve_test_data.h"
#include "moe/kernels/testing/kernel_test.h"

namespace moe::kernels::internal {
namespace {

using ::moe::kernels::testing::BitsEqual;
using ::moe::kernels::testing::KernelMachineName;
using ::moe::kernels::testing::KernelMachines;
using ::moe::kernels::testing::RandomMatrix;
using ::testing::ValuesIn;

using ChainProductTest = ::moe::kernels::testing::KernelTest;

// a [M, K], b [K, N].
void AddProduct(const base::Matrix<double>& a, const base::Matrix<double>& b,
                base::MatrixView<double> c, bool is_lower,
                ChainProduct& product) {
  product.Add({[&](const PackRange& range, double* out) {
                 for (int64_t m = range.begin; m < range.end; ++m) {
                   for (int64_t k = 0; k < range.depth; ++k) {
                     out[(m - range.begin) * kRowStride + k] =
                         a.view().RowData(m)[range.first + k];
                   }
                 }
               },
               [&](const PackRange& range, double* out) {
                 for (int64_t n = range.begin; n < range.end; ++n) {
                   const int64_t j = n - range.begin;
                   for (int64_t k = 0; k < range.depth; ++k) {
                     out[(j / 16 * range.depth + k) * 16 + j % 16] =
                         b.view().RowData(range.first + k)[n];
                   }
                 }
               },
               a.cols(), c, is_lower});
}

struct Shape {
  int64_t m, n, k;
};

// Shapes of growing and shrinking size with one buffer; several blocks of rows,
// columns and depth.
TEST_P(ChainProductTest, EveryElementIsOneChain) {
  ChainProduct product(pool());
  for (const Shape& s : {Shape{3, 40, 5},
                         {120, 17, 200},
                         {2, 2100, 3},
                         {0, 4, 5},
                         {4, 0, 5},
                         {4, 5, 0},
                         {130, 130, 2},
                         {113, 2060, 1},
                         {7, 16, 390}}) {
    for (const bool is_lower : {false, true}) {
      SCOPED_TRACE(absl::StrCat(s.m, " x ", s.n, " x ", s.k, is_lower));
      const base::Matrix<double> a = RandomMatrix(s.m, s.k, "a");
      const base::Matrix<double> b = RandomMatrix(s.k, s.n, "b");
      base::Matrix<double> c = RandomMatrix(s.m, s.n, "c");
      base::Matrix<double> want = c;
      AddProduct(a, b, c.view(), is_lower, product);
      for (int64_t m = 0; m < s.m; ++m) {
        for (int64_t n = 0; n < s.n && (!is_lower || n <= m); ++n) {
          double& sum = want.view().RowData(m)[n];
          for (int64_t k = 0; k < s.k; ++k) {
            sum = std::fma(a.view().RowData(m)[k], b.view().RowData(k)[n], sum);
          }
        }
      }
      EXPECT_TRUE(BitsEqual<double>(c.values(), want.values()));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, ChainProductTest, ValuesIn(KernelMachines()),
                         KernelMachineName);

}  // namespace
}  // namespace moe::kernels::internal
