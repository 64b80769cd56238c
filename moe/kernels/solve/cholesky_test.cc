#include "moe/kernels/solve/cholesky.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/solve/testing/solve_reference.h"
#include "moe/kernels/solve/testing/solve_test_data.h"
#include "moe/kernels/solve/weighted_sums.h"
#include "moe/kernels/testing/kernel_test.h"

namespace moe::kernels {
namespace {

using ::moe::base::testing::IsOk;
using ::moe::base::testing::StatusIs;
using ::moe::kernels::testing::BitsEqual;
using ::moe::kernels::testing::Digest;
using ::moe::kernels::testing::KernelMachineName;
using ::moe::kernels::testing::KernelMachines;
using ::moe::kernels::testing::RandomMatrix;
using ::moe::kernels::testing::RandomTriangle;
using ::moe::kernels::testing::RandomWeights;
using ::moe::kernels::testing::TestMatrix;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ValuesIn;

using CholeskyTest = ::moe::kernels::testing::KernelTest;

double& At(base::Matrix<double>& matrix, int64_t row, int64_t col) {
  return matrix.Row(row)[static_cast<size_t>(col)];
}

// Empty, one, around panels of 16 columns and blocks of 192.
std::vector<int64_t> Sizes() {
  return {0,  1,  2,   3,   7,   8,   13,  14,  15,  16,
          17, 31, 113, 191, 192, 193, 209, 383, 384, 389};
}

TEST_P(CholeskyTest, FactorHasTheReferencesBits) {
  for (const int64_t size : Sizes()) {
    SCOPED_TRACE(size);
    base::Matrix<double> a =
        RandomTriangle(size, 0.7 * static_cast<double>(size), "a");
    base::Matrix<double> want = a;
    ASSERT_THAT(CholeskyFactor(a, pool()), IsOk());
    ASSERT_EQ(reference::CholeskyFactor(want), -1);
    EXPECT_TRUE(BitsEqual<double>(a.values(), want.values()));
  }
}

// Right sides and sizes: around tiles and blocks, past the 112 rows of a task
// and the 2048 columns of a block.
std::vector<std::pair<int64_t, int64_t>> SolveShapes() {
  std::vector<std::pair<int64_t, int64_t>> shapes = {
      {0, 5}, {113, 40}, {225, 17}, {57, 300}, {2, 2310}};
  for (const int64_t size : Sizes()) shapes.push_back({8, size});
  for (const int64_t rows : {1, 3, 7, 9, 13, 14, 15, 29}) {
    shapes.push_back({rows, 200});
  }
  return shapes;
}

TEST_P(CholeskyTest, SolutionHasTheReferencesBits) {
  for (const auto& [rows, size] : SolveShapes()) {
    SCOPED_TRACE(absl::StrCat(rows, " x ", size));
    // Any triangle serves; this one lets values neither grow nor vanish.
    const base::Matrix<double> factor =
        RandomTriangle(size, std::sqrt(static_cast<double>(size)), "factor");
    base::Matrix<double> x = RandomMatrix(rows, size, "right sides");
    base::Matrix<double> want = x;
    SolveCholesky(factor, x, pool());
    reference::SolveCholesky(factor, want);
    EXPECT_TRUE(BitsEqual<double>(x.values(), want.values()));
  }
}

// Every pivot in turn is the first bad one.
TEST_P(CholeskyTest, NamesTheFirstBadPivot) {
  constexpr int64_t kSize = 210;
  const base::Matrix<double> good = RandomTriangle(kSize, kSize, "a");
  for (const int64_t pivot : {0, 1, 15, 16, 100, 191, 192, 209}) {
    for (const double bad : {-1.0, std::numeric_limits<double>::quiet_NaN(),
                             std::numeric_limits<double>::infinity()}) {
      base::Matrix<double> a = good;
      At(a, pivot, pivot) = bad;
      if (pivot + 1 < kSize) At(a, pivot + 1, pivot + 1) = -1.0;
      base::Matrix<double> want = a;
      ASSERT_EQ(reference::CholeskyFactor(want), pivot);
      const double found = At(want, pivot, pivot);
      EXPECT_THAT(CholeskyFactor(a, pool()),
                  StatusIs(absl::StatusCode::kInvalidArgument,
                           HasSubstr(absl::StrCat(
                               "pivot ", pivot,
                               ": expected a positive finite number, found ",
                               std::isnan(bad) ? "nan" : absl::StrCat(found)))))
          << bad;
    }
  }
}

// A NaN off the diagonal reaches the pivot of its row.
TEST_P(CholeskyTest, NanOffTheDiagonalIsAnError) {
  base::Matrix<double> a = RandomTriangle(210, 210.0, "a");
  At(a, 205, 3) = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(CholeskyFactor(a, pool()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("pivot 205: expected a positive finite "
                                 "number, found nan; raise")));
}

// The same bits on every machine and in every build.
TEST_P(CholeskyTest, Golden) {
  base::Matrix<double> a = RandomTriangle(215, 215.0, "a");
  ASSERT_THAT(CholeskyFactor(a, pool()), IsOk());
  for (int64_t i = 0; i < a.rows(); ++i) {
    for (int64_t j = i + 1; j < a.cols(); ++j) At(a, i, j) = 0.0;
  }
  EXPECT_EQ(Digest<double>(a.values()), "5d036c4a945d444a");
  base::Matrix<double> x = RandomMatrix(11, 215, "right sides");
  SolveCholesky(a, x, pool());
  EXPECT_EQ(Digest<double>(x.values()), "04ae83c83fd7621c");
}

INSTANTIATE_TEST_SUITE_P(All, CholeskyTest, ValuesIn(KernelMachines()),
                         KernelMachineName);

// A = 4 6    L = 2
//     6 25       3 4
TEST(CholeskyFactorTest, SmallFactor) {
  base::ThreadPool pool(1);
  base::Matrix<double> a(2, 2, {4.0, 99.0, 6.0, 25.0});
  ASSERT_THAT(CholeskyFactor(a, pool), IsOk());
  EXPECT_THAT(a.values(), ElementsAre(2.0, 99.0, 3.0, 4.0));
  // (4 / 2)^2. The condition number is 28.6 / 0.4 = 66.
  EXPECT_EQ(CholeskyPivotRatio(a), 4.0);
  // A (1, 2) = (16, 56).
  base::Matrix<double> x(1, 2, {16.0, 56.0});
  SolveCholesky(a, x, pool);
  EXPECT_THAT(x.Row(0), ElementsAre(1.0, 2.0));
}

// 1 - 2 * 2 = -3.
TEST(CholeskyFactorTest, Indefinite) {
  base::ThreadPool pool(1);
  base::Matrix<double> a(2, 2, {1.0, 0.0, 2.0, 1.0});
  EXPECT_THAT(CholeskyFactor(a, pool),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "pivot 1: expected a positive finite number, found -3; "
                       "raise what is added to the diagonal"));
}

TEST(CholeskyFactorTest, ZeroIsNoPivot) {
  base::ThreadPool pool(1);
  base::Matrix<double> a = base::Matrix<double>::Zeros(3, 3);
  EXPECT_THAT(CholeskyFactor(a, pool),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("pivot 0: expected a positive finite number, "
                                 "found 0;")));
}

TEST(CholeskyPivotRatioTest, EmptyFactor) {
  EXPECT_EQ(CholeskyPivotRatio(base::Matrix<double>(0, 0)), 1.0);
}

// |L L^T - A| <= (n + 1) eps |L| |L|^T for every element (Higham, "Accuracy and
// Stability of Numerical Algorithms", 2nd edition, theorem 10.3).
TEST(CholeskyFactorTest, FactorTimesItsTransposeIsTheMatrix) {
  constexpr int64_t kSize = 300;
  base::ThreadPool pool(2);
  const base::Matrix<double> a = RandomTriangle(kSize, 30.0, "a");
  base::Matrix<double> factor = a;
  ASSERT_THAT(CholeskyFactor(factor, pool), IsOk());
  for (int64_t i = 0; i < kSize; ++i) {
    for (int64_t j = 0; j <= i; ++j) {
      long double product = 0.0L, magnitude = 0.0L;
      for (int64_t k = 0; k <= j; ++k) {
        const long double term =
            static_cast<long double>(At(factor, i, k)) * At(factor, j, k);
        product += term;
        magnitude += std::fabs(term);
      }
      ASSERT_LE(std::fabs(product - a.view().RowData(i)[j]),
                (kSize + 1) * 0x1p-53L * magnitude)
          << i << ", " << j;
    }
  }
}

// Solves the normal equations of targets [T, 1] and inputs [T, N] with weights
// and a ridge by elimination in long double.
std::vector<long double> WideRidgeSolution(const TestMatrix& targets,
                                           const TestMatrix& inputs,
                                           const std::vector<float>& weights,
                                           long double lambda) {
  const auto n = static_cast<size_t>(inputs.view().cols);
  std::vector<std::vector<long double>> rows(
      n, std::vector<long double>(n + 1, 0.0L));
  for (size_t t = 0; t < weights.size(); ++t) {
    const auto x = inputs.view().Row(static_cast<int64_t>(t));
    const long double y = targets.view().Row(static_cast<int64_t>(t))[0];
    for (size_t i = 0; i < n; ++i) {
      const long double scaled = static_cast<long double>(weights[t]) * x[i];
      for (size_t j = 0; j < n; ++j) rows[i][j] += scaled * x[j];
      rows[i][n] += scaled * y;
    }
  }
  for (size_t i = 0; i < n; ++i) rows[i][i] += lambda;
  for (size_t k = 0; k < n; ++k) {
    for (size_t i = 0; i < n; ++i) {
      if (i == k) continue;
      const long double factor = rows[i][k] / rows[k][k];
      for (size_t j = k; j <= n; ++j) rows[i][j] -= factor * rows[k][j];
    }
  }
  std::vector<long double> solution(n);
  for (size_t i = 0; i < n; ++i) solution[i] = rows[i][n] / rows[i][i];
  return solution;
}

// Least squares from end to end. The condition number is below 100, so that
// nothing but rounding is lost: errors of some 1e-14.
TEST(SolveCholeskyTest, SolvesRidgeLeastSquares) {
  constexpr int64_t kTokens = 400, kInputs = 60;
  base::ThreadPool pool(2);
  TestMatrix targets(kTokens, 1), inputs(kTokens, kInputs);
  targets.Fill("targets");
  inputs.Fill("inputs");
  const std::vector<float> weights = RandomWeights(kTokens, "weights");
  base::Matrix<double> gram = base::Matrix<double>::Zeros(kInputs, kInputs);
  base::Matrix<double> x = base::Matrix<double>::Zeros(1, kInputs);
  AddWeightedGram(inputs.view(), weights, gram, pool);
  AddWeightedProducts(targets.view(), inputs.view(), weights, x, pool);
  const double lambda = AddRidge(gram, 0.01);
  ASSERT_THAT(CholeskyFactor(gram, pool), IsOk());
  EXPECT_GT(CholeskyPivotRatio(gram), 1.0);
  EXPECT_LT(CholeskyPivotRatio(gram), 100.0);
  SolveCholesky(gram, x, pool);
  const std::vector<long double> want =
      WideRidgeSolution(targets, inputs, weights, lambda);
  long double largest = 0.0L, error = 0.0L;
  for (size_t i = 0; i < want.size(); ++i) {
    largest = std::max(largest, std::fabs(want[i]));
    error = std::max(error, std::fabs(x.Row(0)[i] - want[i]));
  }
  RecordProperty("error_over_largest",
                 absl::StrCat(static_cast<double>(error / largest)));
  EXPECT_LT(error, 1e-13L * largest);
}

TEST(AddRidgeTest, AddsAShareOfTheMeanOfTheDiagonal) {
  base::Matrix<double> gram(2, 2, {1.0, 99.0, 2.0, 5.0});
  // 1.5 = 0.5 * (1 + 5) / 2.
  EXPECT_EQ(AddRidge(gram, 0.5), 1.5);
  EXPECT_THAT(gram.values(), ElementsAre(2.5, 99.0, 2.0, 6.5));
}

TEST(AddRidgeTest, NothingToAddTo) {
  base::Matrix<double> gram(0, 0);
  EXPECT_EQ(AddRidge(gram, 0.5), 0.0);
}

}  // namespace
}  // namespace moe::kernels
