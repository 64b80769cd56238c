#include "moe/convert/piece_stream.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <numeric>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/philox.h"
#include "moe/base/progress.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/safetensors_header.h"
#include "moe/checkpoint/sharded_tensors.h"

namespace moe::convert {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::testing::HasSubstr;

TEST(TensorPieceTest, CountsWhatItWrites) {
  checkpoint::SafetensorsTensor matrix;
  matrix.spec = {"m", checkpoint::Dtype::kBF16, {3, 5}};
  checkpoint::SafetensorsTensor vector;
  vector.spec = {"v", checkpoint::Dtype::kF32, {7}};
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
  EXPECT_EQ(*piece.generate(), "abc");
  EXPECT_EQ(*piece.generate(), "abc");
}

// Larger than all buffers together, and not a multiple of anything.
constexpr int64_t kRows = 3001;
constexpr int64_t kCols = 3001;

class PieceStreamTest : public ::testing::Test {
 protected:
  PieceStreamTest() : bytes_(2 * kRows * kCols, '\0') {
    base::RandomStream stream(0, "piece_stream_test");
    for (size_t i = 0; i < bytes_.size(); i += 2) {
      const uint16_t bits = checkpoint::FloatToBf16(
          static_cast<float>(stream.NextUint32() >> 16));
      bytes_[i] = static_cast<char>(bits & 0xff);
      bytes_[i + 1] = static_cast<char>(bits >> 8);
    }
    const std::string path = directory_.Path("x.safetensors");
    EXPECT_TRUE(checkpoint::WriteSafetensorsFile(
                    path,
                    {{"t", {checkpoint::Dtype::kBF16, {kRows, kCols}, bytes_}}},
                    {},
                    /*overwrite=*/false)
                    .ok());
    file_ = checkpoint::SafetensorsFile::Open(path);
    order_.resize(kRows);
    std::iota(order_.begin(), order_.end(), int64_t{0});
    base::Shuffle(stream, absl::MakeSpan(order_));
  }

  checkpoint::TensorLocation At() { return {&*file_, &file_->tensors()[0]}; }
  std::vector<absl::Span<const int64_t>> Halves() const {
    const auto all = absl::MakeConstSpan(order_);
    return {all.first(kRows / 2), all.subspan(kRows / 2)};
  }

  absl::StatusOr<std::string> Stream(const std::vector<TensorPiece>& pieces,
                                     int num_threads = 2) {
    std::string out;
    base::ThreadPool pool(num_threads);
    base::Progress progress(base::Progress::Style::kSilent, {});
    absl::StatusOr<ScaledCounts> counts =
        StreamPieces(pieces,
                     [&](absl::string_view bytes) {
                       out.append(bytes.data(), bytes.size());
                       return absl::OkStatus();
                     },
                     {pool, progress});
    if (!counts.ok()) return counts.status();
    counts_ = *counts;
    return out;
  }

  const TempDirectory directory_;
  std::string bytes_;
  absl::StatusOr<checkpoint::SafetensorsFile> file_;
  std::vector<int64_t> order_;
  ScaledCounts counts_;
};

TEST_F(PieceStreamTest, PiecesFollowEachOther) {
  std::string rows, columns;
  for (const int64_t row : order_) {
    rows += bytes_.substr(static_cast<size_t>(2 * row * kCols), 2 * kCols);
  }
  for (const auto list : Halves()) {
    for (int64_t row = 0; row < kRows; ++row) {
      for (const int64_t col : list) {
        columns.append(bytes_, static_cast<size_t>(2 * (row * kCols + col)), 2);
      }
    }
  }
  const std::vector<TensorPiece> pieces = {
      GeneratedPiece{5, [] { return std::string("hello"); }},
      CopyPiece{At()},
      ColumnsPiece{At(), Halves()},
      RowsPiece{At(), Halves()},
      ColumnsPiece{At(), Halves()},
      GeneratedPiece{3, [] { return std::string("bye"); }}};
  for (const int num_threads : {1, 2, 5}) {
    MOE_ASSERT_OK_AND_ASSIGN(const std::string out,
                             Stream(pieces, num_threads));
    // Not EXPECT_EQ: it would print all of it.
    EXPECT_TRUE(out == "hello" + bytes_ + columns + rows + columns + "bye");
  }
}

TEST_F(PieceStreamTest, CountsWhatIsScaled) {
  MOE_ASSERT_OK_AND_ASSIGN(
      const std::string twice,
      Stream({ScaledPiece{At(), 2.0f}, ScaledPiece{At(), 0.5f}}));
  EXPECT_EQ(counts_.num_scaled, 2 * kRows * kCols);
  EXPECT_EQ(counts_.num_rounded, 0);
  MOE_ASSERT_OK_AND_ASSIGN(const std::string thrice,
                           Stream({ScaledPiece{At(), 3.0f}}));
  EXPECT_EQ(counts_.num_scaled, kRows * kCols);
  // About three quarters of 8 bits times 3 need 9 or 10; zeros do not.
  EXPECT_GT(counts_.num_rounded, kRows * kCols / 2);
  EXPECT_LT(counts_.num_rounded, kRows * kCols);
}

TEST_F(PieceStreamTest, ScalesRowsAsTheWholeWhereAllFactorsAreTheSame) {
  const std::vector<float> factors(static_cast<size_t>(kRows), 3.0f);
  MOE_ASSERT_OK_AND_ASSIGN(const std::string want,
                           Stream({ScaledPiece{At(), 3.0f}}));
  const ScaledCounts want_counts = counts_;
  MOE_ASSERT_OK_AND_ASSIGN(const std::string got,
                           Stream({ScaledRowsPiece{At(), factors}}));
  EXPECT_TRUE(got == want);
  EXPECT_EQ(counts_.num_scaled, want_counts.num_scaled);
  EXPECT_EQ(counts_.num_rounded, want_counts.num_rounded);
}

// More than is gathered at once: 18 MB four times over.
TEST_F(PieceStreamTest, ManyColumnsAreGatheredInParts) {
  std::vector<absl::Span<const int64_t>> lists;
  for (int i = 0; i < 4; ++i) {
    for (const auto half : Halves()) lists.push_back(half);
  }
  MOE_ASSERT_OK_AND_ASSIGN(const std::string once,
                           Stream({ColumnsPiece{At(), Halves()}}));
  MOE_ASSERT_OK_AND_ASSIGN(const std::string out,
                           Stream({ColumnsPiece{At(), lists}}));
  EXPECT_TRUE(out == once + once + once + once);
}

// A single list of which the result is more than is gathered at once: 72 MB.
class LongColumnsTest : public PieceStreamTest {
 protected:
  LongColumnsTest() {
    for (int i = 0; i < 4; ++i) {
      list_.insert(list_.end(), order_.begin(), order_.end());
    }
  }

  std::vector<int64_t> list_;
};

TEST_F(LongColumnsTest, AreTheSameColumns) {
  MOE_ASSERT_OK_AND_ASSIGN(const std::string once,
                           Stream({ColumnsPiece{At(), {order_}}}));
  std::string want;
  for (size_t row = 0; row < kRows; ++row) {
    for (int i = 0; i < 4; ++i) want.append(once, row * 2 * kCols, 2 * kCols);
  }
  for (const int num_threads : {1, 3}) {
    MOE_ASSERT_OK_AND_ASSIGN(
        const std::string out,
        Stream({ColumnsPiece{At(), {order_, list_, order_}}}, num_threads));
    EXPECT_TRUE(out == once + want + once);
  }
}

// What is not read when the first bytes are written is missing.
TEST_F(LongColumnsTest, AreWrittenWhileTheyAreRead) {
  base::ThreadPool pool(2);
  base::Progress progress(base::Progress::Style::kSilent, {});
  EXPECT_THAT(StreamPieces({ColumnsPiece{At(), {list_}}},
                           [&](absl::string_view) {
                             std::filesystem::resize_file(
                                 directory_.Path("x.safetensors"), 1000000);
                             return absl::OkStatus();
                           },
                           {pool, progress}),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("tensor \"t\"")));
}

TEST_F(PieceStreamTest, NothingIsNothing) {
  MOE_ASSERT_OK_AND_ASSIGN(const std::string out, Stream({}));
  EXPECT_EQ(out, "");
}

// In the middle of a row, in which nothing is read apart; with another that
// comes after it, in the file and in the order.
TEST_F(PieceStreamTest, AValueThatIsNoNumberIsAnError) {
  const int64_t row = order_[kRows / 3];
  const int64_t last = std::max(row, order_[kRows - 1]);
  for (const int64_t bad : {row * kCols + 1234, last * kCols + 2999}) {
    bytes_.replace(static_cast<size_t>(2 * bad), 2, "\x80\xff");
  }
  MOE_ASSERT_OK(checkpoint::WriteSafetensorsFile(
      directory_.Path("y.safetensors"),
      {{"t", {checkpoint::Dtype::kBF16, {kRows, kCols}, bytes_}}}, {}, false));
  MOE_ASSERT_OK_AND_ASSIGN(
      const checkpoint::SafetensorsFile file,
      checkpoint::SafetensorsFile::Open(directory_.Path("y.safetensors")));
  const checkpoint::TensorLocation at = {&file, &file.tensors()[0]};
  for (const TensorPiece& piece : std::vector<TensorPiece>{
           CopyPiece{at}, RowsPiece{at, Halves()}, ColumnsPiece{at, Halves()},
           ScaledPiece{at, 2.0f}}) {
    for (const int num_threads : {1, 2, 5}) {
      EXPECT_THAT(
          Stream({piece}, num_threads),
          StatusIs(absl::StatusCode::kInvalidArgument,
                   HasSubstr(absl::StrCat(
                       "y.safetensors: tensor \"t\" [3001, 3001] has a NaN or "
                       "infinity at element ",
                       row * kCols + 1234, ";"))))
          << piece.index();
    }
  }
}

// A file that another process cuts short.
TEST_F(PieceStreamTest, AnErrorOfReadingIsTheResult) {
  const std::vector<float> factors(static_cast<size_t>(kRows), 2.0f);
  std::filesystem::resize_file(directory_.Path("x.safetensors"), 1000000);
  for (const TensorPiece& piece : std::vector<TensorPiece>{
           CopyPiece{At()}, RowsPiece{At(), Halves()},
           ColumnsPiece{At(), Halves()}, ScaledPiece{At(), 2.0f},
           ScaledRowsPiece{At(), factors}}) {
    EXPECT_THAT(Stream({piece}), StatusIs(absl::StatusCode::kDataLoss,
                                          HasSubstr("tensor \"t\"")));
  }
}

TEST_F(PieceStreamTest, AnErrorOfWritingIsTheResult) {
  base::ThreadPool pool(2);
  base::Progress progress(base::Progress::Style::kSilent, {});
  for (int64_t num_good = 0; num_good < 4; ++num_good) {
    int64_t num_calls = 0;
    EXPECT_THAT(StreamPieces({CopyPiece{At()}, ColumnsPiece{At(), Halves()}},
                             [&](absl::string_view) {
                               return ++num_calls > num_good
                                          ? absl::ResourceExhaustedError("full")
                                          : absl::OkStatus();
                             },
                             {pool, progress}),
                StatusIs(absl::StatusCode::kResourceExhausted, "full"));
    EXPECT_EQ(num_calls, num_good + 1);
  }
}

}  // namespace

}  // namespace moe::convert
