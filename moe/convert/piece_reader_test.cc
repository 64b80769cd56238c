#include "moe/convert/piece_reader.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/convert/piece_stream.h"

namespace moe::convert {
namespace {

using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(ReadFiniteTest, NamesWhatIsNotANumberAndReadsWhatIs) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  for (const checkpoint::Dtype dtype :
       {checkpoint::Dtype::kBF16, checkpoint::Dtype::kF16,
        checkpoint::Dtype::kF32}) {
    for (const float bad : {kInf, -kInf, std::nanf("")}) {
      const TempDirectory directory;
      const std::vector<float> values = {1.0f, -0.0f, 2.0f, 3.0f, bad, 5.0f};
      const int64_t size = checkpoint::DtypeSize(dtype);
      checkpoint::HostTensor tensor = {dtype, {2, 3}, ""};
      tensor.bytes.resize(values.size() * static_cast<size_t>(size));
      checkpoint::FloatToWeights(dtype, values, absl::MakeSpan(tensor.bytes));
      const std::string path = directory.Path("x.safetensors");
      MOE_ASSERT_OK(
          checkpoint::WriteSafetensorsFile(path, {{"t", tensor}}, {}, false));
      MOE_ASSERT_OK_AND_ASSIGN(const checkpoint::SafetensorsFile file,
                               checkpoint::SafetensorsFile::Open(path));
      const checkpoint::TensorLocation from = {&file, &file.tensors()[0]};
      std::string out(static_cast<size_t>(3 * size), 'x');
      MOE_EXPECT_OK(ReadFinite(from, size, absl::MakeSpan(out)));
      EXPECT_EQ(out, tensor.bytes.substr(static_cast<size_t>(size),
                                         static_cast<size_t>(3 * size)));
      EXPECT_THAT(
          ReadFinite(from, 3 * size, absl::MakeSpan(out)),
          StatusIs(absl::StatusCode::kInvalidArgument,
                   AllOf(HasSubstr("x.safetensors: tensor \"t\" [2, 3] has a "
                                   "NaN or infinity at element 4;"),
                         HasSubstr("get the file again"))));
    }
  }
}

std::string Weights(checkpoint::Dtype dtype, const std::vector<float>& values) {
  std::string bytes(
      values.size() * static_cast<size_t>(checkpoint::DtypeSize(dtype)), '\0');
  checkpoint::FloatToWeights(dtype, values, absl::MakeSpan(bytes));
  return bytes;
}

std::vector<float> Values(checkpoint::Dtype dtype, const std::string& bytes) {
  std::vector<float> values(bytes.size() /
                            static_cast<size_t>(checkpoint::DtypeSize(dtype)));
  checkpoint::WeightsToFloat(dtype, bytes, absl::MakeSpan(values));
  return values;
}

class PieceReaderTest : public ::testing::Test {
 protected:
  // A file with one tensor.
  checkpoint::TensorLocation Location(checkpoint::Dtype dtype,
                                      checkpoint::Shape shape,
                                      std::string bytes) {
    const std::string path = directory_.Path("x.safetensors");
    EXPECT_TRUE(checkpoint::WriteSafetensorsFile(
                    path, {{"t", {dtype, std::move(shape), std::move(bytes)}}},
                    {}, /*overwrite=*/true)
                    .ok());
    file_ = checkpoint::SafetensorsFile::Open(path);
    return {&*file_, &file_->tensors()[0]};
  }

  const TempDirectory directory_;
  absl::StatusOr<checkpoint::SafetensorsFile> file_;
};

TEST_F(PieceReaderTest, CopiesElements) {
  const CopyPiece piece{Location(checkpoint::Dtype::kF16, {2, 2}, "aAbBcCdD")};
  const PieceUnits units = UnitsOf(piece);
  EXPECT_EQ(units.count, 4);
  EXPECT_EQ(units.bytes, 2);
  std::string out(4, '\0');
  MOE_ASSERT_OK(ReadUnits(piece, 1, absl::MakeSpan(out)));
  EXPECT_EQ(out, "bBcC");
}

TEST_F(PieceReaderTest, ReadsRowsFromAnyOnToAnyOther) {
  const std::vector<int64_t> a = {4, 0, 1, 2}, none = {}, b = {3, 3};
  const RowsPiece piece{Location(checkpoint::Dtype::kU8, {5, 2}, "aAbBcCdDeE"),
                        {a, none, b}};
  const std::string want = "eEaAbBcCdDdD";
  const PieceUnits units = UnitsOf(piece);
  ASSERT_EQ(units.count, 6);
  ASSERT_EQ(units.bytes, 2);
  for (size_t first = 0; first < 6; ++first) {
    for (size_t count = 0; first + count <= 6; ++count) {
      std::string out(2 * count, '\0');
      MOE_ASSERT_OK(
          ReadUnits(piece, static_cast<int64_t>(first), absl::MakeSpan(out)));
      EXPECT_EQ(out, want.substr(2 * first, 2 * count))
          << first << ", " << count;
    }
  }
}

TEST_F(PieceReaderTest, RowsOfAVectorAreItsElements) {
  const std::vector<int64_t> list = {2, 0};
  const RowsPiece piece{Location(checkpoint::Dtype::kBF16, {3}, "aAbBcC"),
                        {list}};
  std::string out(4, '\0');
  MOE_ASSERT_OK(ReadUnits(piece, 0, absl::MakeSpan(out)));
  EXPECT_EQ(out, "cCaA");
}

TEST_F(PieceReaderTest, ScalesByAPowerOfTwoExactly) {
  for (const checkpoint::Dtype dtype :
       {checkpoint::Dtype::kBF16, checkpoint::Dtype::kF16,
        checkpoint::Dtype::kF32}) {
    const ScaledPiece piece{
        Location(dtype, {4}, Weights(dtype, {1.0f, -0.375f, 0.0f, 100.0f})),
        4.0f};
    std::string out(static_cast<size_t>(3 * checkpoint::DtypeSize(dtype)),
                    '\0');
    EXPECT_THAT(ReadUnits(piece, 1, absl::MakeSpan(out)), IsOkAndHolds(0));
    EXPECT_THAT(Values(dtype, out), ElementsAre(-1.5f, 0.0f, 400.0f));
  }
}

// BF16 has 8 bits: 1 + 2^-7 is the number after 1. Times 3 that is 3 + 3 *
// 2^-7, and from 2 to 4 the step is 2^-6: halfway between 3 + 2^-6 and 3 +
// 2^-5. The latter is even: 1.515625 * 2 = 0b1.1000010 * 2.
TEST_F(PieceReaderTest, RoundsAndCounts) {
  const ScaledPiece piece{Location(checkpoint::Dtype::kBF16, {3},
                                   Weights(checkpoint::Dtype::kBF16,
                                           {1.0f, 1.0f + 0x1p-7f, -0.0f})),
                          3.0f};
  std::string out(6, '\0');
  EXPECT_THAT(ReadUnits(piece, 0, absl::MakeSpan(out)), IsOkAndHolds(1));
  EXPECT_THAT(Values(checkpoint::Dtype::kBF16, out),
              ElementsAre(3.0f, 3.0f + 0x1p-5f, -0.0f));
}

// The least F16, 2^-24, has no half.
TEST_F(PieceReaderTest, APowerOfTwoMayLeaveTheRange) {
  const checkpoint::TensorLocation at =
      Location(checkpoint::Dtype::kF16, {3},
               Weights(checkpoint::Dtype::kF16, {0x1p-24f, 40000.0f, 1.0f}));
  std::string out(6, '\0');
  EXPECT_THAT(ReadUnits(ScaledPiece{at, 0.5f}, 0, absl::MakeSpan(out)),
              IsOkAndHolds(1));
  EXPECT_THAT(Values(checkpoint::Dtype::kF16, out),
              ElementsAre(0.0f, 20000.0f, 0.5f));
  EXPECT_THAT(
      ReadUnits(ScaledPiece{at, 2.0f}, 0, absl::MakeSpan(out)),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("x.safetensors: tensor \"t\" has 40000 at "
                               "element 1; times 2 it is beyond the largest "
                               "F16; convert with a smaller --scale_factor, or "
                               "load the checkpoint as it is"))));
}

// 0.1f, as the product with 1 is, is not 0.1; and what becomes 0 was not 0.
TEST_F(PieceReaderTest, AFactorThatIsNoFloatRoundsAllButZero) {
  const ScaledPiece piece{
      Location(checkpoint::Dtype::kF32, {5},
               Weights(checkpoint::Dtype::kF32,
                       {1.0f, 0.0f, -0.0f, 0x1p-149f, -3.0f})),
      0.1};
  std::string out(20, '\0');
  EXPECT_THAT(ReadUnits(piece, 0, absl::MakeSpan(out)), IsOkAndHolds(3));
  EXPECT_THAT(Values(checkpoint::Dtype::kF32, out),
              ElementsAre(0.1f, 0.0f, -0.0f, 0.0f, -3.0f * 0.1f));
}

TEST_F(PieceReaderTest, RefusesToScaleWhatIsNoNumber) {
  const checkpoint::TensorLocation at =
      Location(checkpoint::Dtype::kF16, {2},
               Weights(checkpoint::Dtype::kF16,
                       {1.0f, -std::numeric_limits<float>::infinity()}));
  std::string out(4, '\0');
  EXPECT_THAT(ReadUnits(ScaledPiece{at, 0.5}, 0, absl::MakeSpan(out)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("has a NaN or infinity at element 1;")));
}

TEST_F(PieceReaderTest, ScalesEachRowByItsFactor) {
  const std::vector<float> factors = {2.0f, 3.0f, -0.5f};
  const ScaledRowsPiece piece{
      Location(checkpoint::Dtype::kBF16, {3, 2},
               Weights(checkpoint::Dtype::kBF16,
                       {1.0f, 2.0f, 1.0f + 0x1p-7f, -1.0f, 8.0f, 0.0f})),
      factors};
  const PieceUnits units = UnitsOf(piece);
  EXPECT_EQ(units.count, 3);
  EXPECT_EQ(units.bytes, 4);
  std::string out(12, '\0');
  EXPECT_THAT(ReadUnits(piece, 0, absl::MakeSpan(out)), IsOkAndHolds(1));
  EXPECT_THAT(Values(checkpoint::Dtype::kBF16, out),
              ElementsAre(2.0f, 4.0f, 3.0f + 0x1p-5f, -3.0f, -4.0f, -0.0f));
  out.resize(4);
  EXPECT_THAT(ReadUnits(piece, 2, absl::MakeSpan(out)), IsOkAndHolds(0));
  EXPECT_THAT(Values(checkpoint::Dtype::kBF16, out), ElementsAre(-4.0f, -0.0f));
}

// Rows of more elements than are scaled at once.
TEST_F(PieceReaderTest, ScalesLongRows) {
  constexpr int64_t kCols = 5000;
  const std::vector<float> factors = {2.0f, 1e30f};
  std::vector<float> values(2 * kCols, 1.5f);
  const ScaledRowsPiece piece{
      Location(checkpoint::Dtype::kF32, {2, kCols},
               Weights(checkpoint::Dtype::kF32, values)),
      factors};
  std::string out(4 * kCols, '\0');
  EXPECT_THAT(ReadUnits(piece, 0, absl::MakeSpan(out)), IsOkAndHolds(0));
  EXPECT_EQ(Values(checkpoint::Dtype::kF32, out),
            std::vector<float>(kCols, 3.0f));
  values.back() = 3e38f;
  const ScaledRowsPiece beyond{
      Location(checkpoint::Dtype::kF32, {2, kCols},
               Weights(checkpoint::Dtype::kF32, values)),
      factors};
  EXPECT_THAT(
      ReadUnits(beyond, 1, absl::MakeSpan(out)),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("tensor \"t\" has 3e+38 at element 9999"),
                     HasSubstr("beyond the largest F32"))));
}

}  // namespace

}  // namespace moe::convert
