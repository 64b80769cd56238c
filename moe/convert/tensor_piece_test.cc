#include "moe/convert/tensor_piece.h"

#include <cstdint>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/safetensors_header.h"

namespace moe {
namespace {

TEST(TensorPieceTest, CountsWhatItWrites) {
  SafetensorsTensor matrix;
  matrix.spec = {"m", Dtype::kBF16, {3, 5}};
  SafetensorsTensor vector;
  vector.spec = {"v", Dtype::kF32, {7}};
  const std::vector<int64_t> two = {2, 0};
  const std::vector<int64_t> one = {1};
  EXPECT_EQ(NumBytes(TensorPiece(CopyPiece{{nullptr, &matrix}})), 3 * 5 * 2);
  EXPECT_EQ(NumBytes(TensorPiece(ScaledPiece{{nullptr, &vector}, 2.0f})),
            7 * 4);
  const std::vector<float> factors = {1.0f, 2.0f, 3.0f};
  EXPECT_EQ(NumBytes(TensorPiece(ScaledRowsPiece{{nullptr, &matrix}, factors})),
            3 * 5 * 2);
  EXPECT_EQ(NumBytes(TensorPiece(RowsPiece{{nullptr, &matrix}, {two, one}})),
            (2 + 1) * 5 * 2);
  EXPECT_EQ(NumBytes(TensorPiece(RowsPiece{{nullptr, &vector}, {two, two}})),
            (2 + 2) * 4);
  EXPECT_EQ(NumBytes(TensorPiece(ColumnsPiece{{nullptr, &matrix}, {two, one}})),
            3 * (2 + 1) * 2);
  EXPECT_EQ(NumBytes(TensorPiece(GeneratedPiece{11, nullptr})), 11);
}

TEST(PieceOfTest, GivesTheBytesEachTime) {
  const GeneratedPiece piece = PieceOf("abc");
  EXPECT_EQ(piece.num_bytes, 3);
  EXPECT_EQ(piece.generate(), "abc");
  EXPECT_EQ(piece.generate(), "abc");
}

}  // namespace
}  // namespace moe
