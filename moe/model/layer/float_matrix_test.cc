#include "moe/model/layer/float_matrix.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/kernels/simd/matrix_view.h"

namespace moe {
namespace {

using ::testing::ElementsAre;

TEST(FloatMatrixTest, IsRowMajor) {
  FloatMatrix matrix(2, 3);
  float next = 0.0f;
  for (int row = 0; row < 2; ++row) {
    for (float& value : matrix.view().Row(row)) value = next++;
  }
  const FloatMatrix& constant = matrix;
  EXPECT_THAT(constant.view().Row(1), ElementsAre(3.0f, 4.0f, 5.0f));
  EXPECT_EQ(constant.view().stride, 3);
  EXPECT_EQ(constant.rows(), 2);
  EXPECT_EQ(constant.cols(), 3);
}

TEST(FloatMatrixTest, MayBeEmpty) {
  EXPECT_EQ(FloatMatrix().view().rows, 0);
  EXPECT_EQ(FloatMatrix(0, 5).view().cols, 5);
}

}  // namespace
}  // namespace moe
