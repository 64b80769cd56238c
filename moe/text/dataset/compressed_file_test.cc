#include "moe/text/dataset/compressed_file.h"

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/sha256.h"
#include "moe/base/status_macros.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/text/dataset/testing/compress.h"

namespace moe {
namespace {

using ::moe::testing::GzipOf;
using ::moe::testing::IsOkAndHolds;
using ::moe::testing::StatusIs;
using ::moe::testing::TempDirectory;
using ::moe::testing::ZstdOf;
using ::testing::AllOf;
using ::testing::HasSubstr;

absl::StatusOr<std::string> ReadAll(const std::string& path,
                                    size_t piece_bytes = 1000) {
  MOE_ASSIGN_OR_RETURN(const std::unique_ptr<CompressedFileReader> reader,
                       CompressedFileReader::Open(path));
  std::string all;
  std::string piece(piece_bytes, '\0');
  while (true) {
    MOE_ASSIGN_OR_RETURN(const size_t size,
                         reader->Read(absl::MakeSpan(piece)));
    if (size == 0) return all;
    all.append(piece, 0, size);
  }
}

// More than the buffers hold, and not of one repeated byte.
std::string LongText() {
  std::string text;
  for (int i = 0; text.size() < 300'000; ++i)
    absl::StrAppend(&text, i * i, " ");
  return text;
}

TEST(CompressedFileTest, ReadsEveryFormByContent) {
  const TempDirectory directory;
  const std::string text = LongText();
  // The names say nothing, or the wrong thing.
  EXPECT_THAT(ReadAll(directory.Write("a.gz", text)), IsOkAndHolds(text));
  EXPECT_THAT(ReadAll(directory.Write("b", GzipOf(text))), IsOkAndHolds(text));
  EXPECT_THAT(ReadAll(directory.Write("c.txt", ZstdOf(text))),
              IsOkAndHolds(text));
  EXPECT_THAT(ReadAll(directory.Write("d", "")), IsOkAndHolds(""));
  EXPECT_THAT(ReadAll(directory.Write("e", GzipOf(""))), IsOkAndHolds(""));
  EXPECT_THAT(ReadAll(directory.Write("f", ZstdOf(""))), IsOkAndHolds(""));
}

TEST(CompressedFileTest, PiecesOfAnySizeGiveTheSame) {
  const TempDirectory directory;
  const std::string text = LongText();
  const std::string gzip = directory.Write("a", GzipOf(text));
  const std::string zstd = directory.Write("b", ZstdOf(text));
  for (const size_t piece : {1, 7, 65536, 1 << 20}) {
    EXPECT_THAT(ReadAll(gzip, piece), IsOkAndHolds(text));
    EXPECT_THAT(ReadAll(zstd, piece), IsOkAndHolds(text));
  }
}

TEST(CompressedFileTest, MembersAndFramesFollowOneAnother) {
  const TempDirectory directory;
  const std::string text = LongText();
  EXPECT_THAT(ReadAll(directory.Write(
                  "a", absl::StrCat(GzipOf("one "), GzipOf(""), GzipOf(text)))),
              IsOkAndHolds("one " + text));
  // A frame that decoders skip, of 3 bytes.
  const std::string skippable("\x50\x2a\x4d\x18\3\0\0\0abc", 11);
  EXPECT_THAT(ReadAll(directory.Write(
                  "b", absl::StrCat(skippable, ZstdOf("one "), ZstdOf(""),
                                    skippable, ZstdOf(text)))),
              IsOkAndHolds("one " + text));
}

TEST(CompressedFileTest, EveryBeginningIsTruncated) {
  const TempDirectory directory;
  for (const std::string& whole :
       {GzipOf("a little text"), ZstdOf("a little text")}) {
    // From where the form can be told.
    for (size_t size = 4; size < whole.size(); ++size) {
      EXPECT_THAT(ReadAll(directory.Write("x", whole.substr(0, size))),
                  StatusIs(absl::StatusCode::kDataLoss,
                           AllOf(HasSubstr("/x: the "), HasSubstr("truncated"),
                                 HasSubstr(absl::StrCat("of ", size)))))
          << size;
    }
  }
}

TEST(CompressedFileTest, DamageIsFound) {
  const TempDirectory directory;
  std::string gzip = GzipOf(LongText());
  gzip[gzip.size() - 6] ^= 1;  // Of the checksum.
  EXPECT_THAT(ReadAll(directory.Write("a", gzip)),
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr("corrupt (incorrect data check)")));
  std::string zstd = ZstdOf(LongText());
  zstd[zstd.size() - 1] ^= 1;  // Of the checksum.
  EXPECT_THAT(ReadAll(directory.Write("b", zstd)),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("corrupt (")));
  EXPECT_THAT(ReadAll(directory.Write("c", GzipOf("text") + "trailing")),
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr("corrupt (incorrect header check)")));
  EXPECT_THAT(ReadAll(directory.Write("d", ZstdOf("text") + "trailing")),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("corrupt (")));
}

TEST(CompressedFileTest, LargeWindowsAreRefused) {
  const TempDirectory directory;
  EXPECT_THAT(ReadAll(directory.Write("a", ZstdOf("text", 27))),
              IsOkAndHolds("text"));
  EXPECT_THAT(ReadAll(directory.Write("b", ZstdOf("text", 28))),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("a window of more than 128 MiB")));
}

TEST(CompressedFileTest, KnowsTheFilesDigestAtTheEnd) {
  const TempDirectory directory;
  const std::string bytes = GzipOf(LongText());
  MOE_ASSERT_OK_AND_ASSIGN(
      const std::unique_ptr<CompressedFileReader> reader,
      CompressedFileReader::Open(directory.Write("a", bytes)));
  EXPECT_EQ(reader->size_bytes(), bytes.size());
  EXPECT_EQ(reader->HexDigest(), std::nullopt);
  std::string piece(1 << 20, '\0');
  size_t size = 1;
  while (size > 0) {
    MOE_ASSERT_OK_AND_ASSIGN(size, reader->Read(absl::MakeSpan(piece)));
  }
  EXPECT_EQ(reader->HexDigest(), HexSha256Of(bytes));
  EXPECT_EQ(reader->position_bytes(), bytes.size());
}

TEST(CompressedFileTest, MissingFilesAndDirectories) {
  const TempDirectory directory;
  EXPECT_THAT(CompressedFileReader::Open(directory.Path("none")),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(CompressedFileReader::Open(directory.path()),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace moe
