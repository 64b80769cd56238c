#include "moe/checkpoint/artifact/matrix.h"

#include <cstdint>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace moe {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(MatrixTest, RowsAreContiguous) {
  Matrix<int64_t> matrix(2, 3, {1, 2, 3, 4, 5, 6});
  EXPECT_THAT(matrix.Row(0), ElementsAre(1, 2, 3));
  matrix.MutableRow(1)[2] = 9;
  EXPECT_THAT(matrix.Row(1), ElementsAre(4, 5, 9));
  EXPECT_THAT(matrix.values, ElementsAre(1, 2, 3, 4, 5, 9));
}

TEST(MatrixTest, StartsAtZero) {
  const Matrix<float> matrix(1, 2);
  EXPECT_THAT(matrix.values, ElementsAre(0.0f, 0.0f));
  EXPECT_THAT(Matrix<float>(3, 0).Row(2), IsEmpty());
  EXPECT_NE(Matrix<float>(3, 0), Matrix<float>(0, 3));
}

TEST(MatrixDeathTest, RefusesWhatIsNotThere) {
  const Matrix<float> matrix(1, 2);
  EXPECT_DEATH(matrix.Row(1), "row < rows");
  EXPECT_DEATH(Matrix<float>(1, 2, {0.0f}), "rows \\* cols");
}

}  // namespace
}  // namespace moe
