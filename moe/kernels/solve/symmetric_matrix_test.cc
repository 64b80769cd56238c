#include "moe/kernels/solve/symmetric_matrix.h"

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/solve/testing/solve_reference.h"
#include "moe/kernels/solve/testing/solve_test_data.h"
#include "moe/kernels/testing/kernel_test.h"

namespace moe {
namespace {

using ::moe::testing::BitsEqual;
using ::moe::testing::Digest;
using ::moe::testing::KernelMachineName;
using ::moe::testing::KernelMachines;
using ::moe::testing::RandomMatrix;
using ::moe::testing::RandomTriangle;
using ::moe::testing::TestMatrix;
using ::testing::ElementsAre;
using ::testing::ValuesIn;

using SymmetricMatrixTest = ::moe::testing::KernelTest;

// Empty; one; around tiles, past the 112 rows of a task, the 192 elements of
// depth and the 2048 columns of a block.
std::vector<std::pair<int64_t, int64_t>> Shapes() {
  return {{0, 5},   {5, 0},     {1, 1},    {3, 2},    {6, 7},    {13, 15},
          {14, 16}, {15, 17},   {29, 33},  {8, 113},  {113, 64}, {225, 31},
          {3, 191}, {192, 192}, {17, 193}, {28, 385}, {1, 2065}};
}

TEST_P(SymmetricMatrixTest, ProductHasTheReferencesBits) {
  for (const auto& [rows, size] : Shapes()) {
    SCOPED_TRACE(absl::StrCat(rows, " x ", size));
    TestMatrix weights(rows, size, 1, 3);
    weights.Fill("weights");
    const Matrix<double> gram = RandomTriangle(size, 1.0, "gram");
    Matrix<double> sums = RandomMatrix(rows, size, "sums");
    Matrix<double> want = sums;
    SubtractProduct(weights.view(), gram, sums, pool());
    reference::SubtractProduct(weights.view(), gram, want);
    EXPECT_TRUE(BitsEqual<double>(sums.values(), want.values()));
  }
}

// The same bits on every machine and in every build.
TEST_P(SymmetricMatrixTest, Golden) {
  TestMatrix weights(21, 37);
  weights.Fill("weights");
  const Matrix<double> gram = RandomTriangle(37, 1.0, "gram");
  Matrix<double> sums = RandomMatrix(21, 37, "sums");
  SubtractProduct(weights.view(), gram, sums, pool());
  EXPECT_EQ(Digest<double>(sums.values()), "1623c8cc97c37e99");
}

INSTANTIATE_TEST_SUITE_P(All, SymmetricMatrixTest, ValuesIn(KernelMachines()),
                         KernelMachineName);

// G is 1 2
//      2 5, whose 2 above the diagonal is not stored.
TEST(SubtractProductTest, SmallProduct) {
  ThreadPool pool(1);
  const Matrix<float> weights(1, 2, {3.0f, -1.0f});
  const Matrix<double> gram(2, 2, {1.0, 99.0, 2.0, 5.0});
  Matrix<double> sums(1, 2, {10.0, 20.0});
  SubtractProduct(weights.view(), gram, sums, pool);
  // 9 = 10 - (3 * 1 - 1 * 2); 19 = 20 - (3 * 2 - 1 * 5).
  EXPECT_THAT(sums.Row(0), ElementsAre(9.0, 19.0));
}

TEST(AddRidgeTest, AddsAShareOfTheMeanOfTheDiagonal) {
  Matrix<double> gram(2, 2, {1.0, 99.0, 2.0, 5.0});
  // 1.5 = 0.5 * (1 + 5) / 2.
  EXPECT_EQ(AddRidge(gram, 0.5), 1.5);
  EXPECT_THAT(gram.values(), ElementsAre(2.5, 99.0, 2.0, 6.5));
}

TEST(AddRidgeTest, NothingToAddTo) {
  Matrix<double> gram(0, 0);
  EXPECT_EQ(AddRidge(gram, 0.5), 0.0);
}

}  // namespace
}  // namespace moe
