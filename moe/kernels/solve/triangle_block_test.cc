#include "moe/kernels/solve/triangle_block.h"

#include <cmath>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "moe/base/matrix.h"
#include "moe/kernels/solve/testing/solve_reference.h"
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

using TriangleBlockTest = ::moe::kernels::testing::KernelTest;

// Substitutes in unknowns [begin, end) of x, one after another.
void SubstituteInRow(const base::Matrix<double>& factor,
                     const BlockRange& range, double* x) {
  for (int64_t s = 0; s < range.size(); ++s) {
    const int64_t i = range.Index(s);
    for (int64_t r = 0; r < s; ++r) {
      const int64_t k = range.Index(r);
      const double element =
          i > k ? factor.view().RowData(i)[k] : factor.view().RowData(k)[i];
      x[i] = std::fma(-element, x[k], x[i]);
    }
    x[i] = x[i] / factor.view().RowData(i)[i];
  }
}

TEST_P(TriangleBlockTest, SubstitutesInEitherOrder) {
  const base::Matrix<double> factor = RandomTriangle(220, 15.0, "factor");
  TriangleBlock block(pool());
  for (const StepOrder order :
       {StepOrder::kAscending, StepOrder::kDescending}) {
    for (const int64_t size : {192, 1, 16, 17, 100}) {
      for (const int64_t rows : {0, 1, 5, 28, 29, 60}) {
        SCOPED_TRACE(absl::StrCat(size, " steps, ", rows, " rows"));
        const BlockRange range = {13, 13 + size, order};
        base::Matrix<double> x = RandomMatrix(rows, 220, "right sides");
        base::Matrix<double> want = x;
        block.Load(factor.view(), range);
        block.Solve(x.view());
        for (int64_t r = 0; r < rows; ++r) {
          SubstituteInRow(factor, range, want.view().RowData(r));
        }
        EXPECT_TRUE(BitsEqual<double>(x.values(), want.values()));
      }
    }
  }
}

// A factored block solves as one that was loaded does.
TEST_P(TriangleBlockTest, FactorsABlock) {
  const BlockRange range = {0, 150, StepOrder::kAscending};
  base::Matrix<double> a = RandomTriangle(150, 150.0, "a");
  base::Matrix<double> want = a;
  TriangleBlock factored(pool()), loaded(pool());
  ASSERT_EQ(factored.Factor(a.view(), range), -1);
  ASSERT_EQ(reference::CholeskyFactor(want), -1);
  EXPECT_TRUE(BitsEqual<double>(a.values(), want.values()));
  loaded.Load(a.view(), range);
  base::Matrix<double> x = RandomMatrix(4, 150, "right sides");
  base::Matrix<double> y = x;
  factored.Solve(x.view());
  loaded.Solve(y.view());
  EXPECT_TRUE(BitsEqual<double>(x.values(), y.values()));
}

INSTANTIATE_TEST_SUITE_P(All, TriangleBlockTest, ValuesIn(KernelMachines()),
                         KernelMachineName);

}  // namespace
}  // namespace moe::kernels::internal
