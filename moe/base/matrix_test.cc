#include "moe/base/matrix.h"

#include <cstdint>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix_view.h"

namespace moe::base {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(MatrixTest, RowsAreContiguous) {
  Matrix<int64_t> matrix(2, 3, {1, 2, 3, 4, 5, 6});
  EXPECT_THAT(matrix.Row(0), ElementsAre(1, 2, 3));
  matrix.Row(1)[2] = 9;
  const Matrix<int64_t>& constant = matrix;
  EXPECT_THAT(constant.Row(1), ElementsAre(4, 5, 9));
  EXPECT_THAT(constant.values(), ElementsAre(1, 2, 3, 4, 5, 9));
  EXPECT_EQ(constant.rows(), 2);
  EXPECT_EQ(constant.cols(), 3);
}

TEST(MatrixTest, IsViewedWhereItLies) {
  Matrix<float> matrix(2, 3);
  float next = 0.0f;
  for (int row = 0; row < 2; ++row) {
    for (float& value : matrix.view().Row(row)) value = next++;
  }
  const Matrix<float>& constant = matrix;
  EXPECT_THAT(constant.view().Row(1), ElementsAre(3.0f, 4.0f, 5.0f));
  EXPECT_EQ(constant.view().stride, 3);
  EXPECT_EQ(constant.view().data, constant.values().data());
}

TEST(MatrixTest, CopiesAreApartAndMovesAreNot) {
  Matrix<float> matrix(1, 2, {1.0f, 2.0f});
  Matrix<float> copy = matrix;
  EXPECT_EQ(copy, matrix);
  copy.Row(0)[1] = 3.0f;
  EXPECT_NE(copy, matrix);
  EXPECT_THAT(matrix.values(), ElementsAre(1.0f, 2.0f));
  const float* const data = copy.values().data();
  matrix = std::move(copy);
  EXPECT_EQ(matrix.values().data(), data);
  EXPECT_THAT(matrix.values(), ElementsAre(1.0f, 3.0f));
}

TEST(MatrixTest, Zeros) {
  EXPECT_THAT(Matrix<float>::Zeros(1, 2).values(), ElementsAre(0.0f, 0.0f));
}

TEST(MatrixTest, MayBeEmpty) {
  EXPECT_EQ(Matrix<float>().view().rows, 0);
  EXPECT_EQ(Matrix<float>(0, 5).view().cols, 5);
  EXPECT_THAT(Matrix<float>(3, 0).Row(2), IsEmpty());
  EXPECT_NE(Matrix<float>(3, 0), Matrix<float>(0, 3));
}

TEST(MatrixDeathTest, RefusesWhatIsNotThere) {
  const Matrix<float> matrix(1, 2);
  EXPECT_DEATH(matrix.Row(1), "row < rows");
  EXPECT_DEATH(Matrix<float>(1, 2, {0.0f}), "row_major.size\\(\\)");
}

}  // namespace
}  // namespace moe::base
