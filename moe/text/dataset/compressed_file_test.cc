#include "moe/text/dataset/compressed_file.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/sha256.h"
#include "moe/base/status_macros.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/text/dataset/testing/compress.h"

namespace moe::text {
namespace {

using ::moe::base::testing::IsOk;
using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::moe::text::testing::GzipOf;
using ::moe::text::testing::ZstdOf;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

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
  gzip[gzip.size() - 6] ^= 1;  // In the checksum.
  EXPECT_THAT(ReadAll(directory.Write("a", gzip)),
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr("corrupt (incorrect data check)")));
  std::string zstd = ZstdOf(LongText());
  zstd[zstd.size() - 1] ^= 1;  // In the checksum.
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
                       HasSubstr("expected a window of at most 128 MiB")));
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
  EXPECT_EQ(reader->HexDigest(), base::HexSha256Of(bytes));
  EXPECT_EQ(reader->position_bytes(), bytes.size());
}

TEST(CompressedFileTest, MissingFilesAndDirectories) {
  const TempDirectory directory;
  EXPECT_THAT(CompressedFileReader::Open(directory.Path("none")),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(CompressedFileReader::Open(directory.path()),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

class ByteStreamTest : public ::testing::Test {
 protected:
  ByteStream Open(absl::string_view contents) {
    return ByteStream(
        CompressedFileReader::Open(directory_.Write("a", contents)).value());
  }

  static std::string ReadAll(ByteStream& stream) {
    std::string text;
    while (const std::optional<char> next = stream.Peek()) {
      text.push_back(*next);
      stream.Skip();
    }
    return text;
  }

  const TempDirectory directory_;
};

TEST_F(ByteStreamTest, ReadsAllAndCountsLines) {
  const std::string text = "a\n" + std::string(200'000, 'x') + "\n\nb";
  ByteStream stream = Open(text);
  EXPECT_EQ(stream.line(), 1);
  EXPECT_EQ(ReadAll(stream), text);
  EXPECT_EQ(stream.line(), 4);
  EXPECT_EQ(stream.Peek(), std::nullopt);
  EXPECT_THAT(stream.status(), IsOk());
}

TEST_F(ByteStreamTest, PassesOverAByteOrderMarkAtTheStart) {
  ByteStream stream = Open("\xef\xbb\xbfx\xef\xbb\xbf");
  EXPECT_EQ(ReadAll(stream), "x\xef\xbb\xbf");
  ByteStream part = Open("\xef\xbb");
  EXPECT_EQ(ReadAll(part), "\xef\xbb");
}

TEST_F(ByteStreamTest, AnErrorIsTheEndAndNamesTheLine) {
  const std::string whole = GzipOf("a\nb");
  ByteStream stream = Open(whole.substr(0, whole.size() - 4));
  ReadAll(stream);
  EXPECT_THAT(stream.status(),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr(", in line ")));
}

// "number:text", with "!" for a line that is too long.
absl::StatusOr<std::vector<std::string>> ReadLines(
    const std::string& path, size_t max_line_bytes = kMaxLineBytes) {
  MOE_ASSIGN_OR_RETURN(LineReader reader,
                       LineReader::Open(path, max_line_bytes));
  std::vector<std::string> lines;
  while (true) {
    MOE_ASSIGN_OR_RETURN(const std::optional<Line> line, reader.Next());
    if (!line.has_value()) return lines;
    lines.push_back(
        absl::StrCat(line->number, ":", line->text, line->too_long ? "!" : ""));
  }
}

TEST(LineReaderTest, TakesEveryEndOfLine) {
  const TempDirectory directory;
  EXPECT_THAT(ReadLines(directory.Write("a", "one\ntwo\r\nthree")),
              IsOkAndHolds(ElementsAre("1:one", "2:two", "3:three")));
  EXPECT_THAT(ReadLines(directory.Write("a", "one\n")),
              IsOkAndHolds(ElementsAre("1:one")));
  EXPECT_THAT(ReadLines(directory.Write("a", "")), IsOkAndHolds(IsEmpty()));
}

TEST(LineReaderTest, PassesOverBlankLinesAndCountsThem) {
  const TempDirectory directory;
  EXPECT_THAT(ReadLines(directory.Write("a", "\n \t\r\n\r\none\n\n  two \n\n")),
              IsOkAndHolds(ElementsAre("4:one", "6:  two ")));
}

TEST(LineReaderTest, DropsAByteOrderMarkAtTheStartOnly) {
  const TempDirectory directory;
  EXPECT_THAT(
      ReadLines(directory.Write("a", "\xef\xbb\xbfone\n\xef\xbb\xbftwo")),
      IsOkAndHolds(ElementsAre("1:one", "2:\xef\xbb\xbftwo")));
  EXPECT_THAT(ReadLines(directory.Write("a", "\xef\xbb\xbf")),
              IsOkAndHolds(IsEmpty()));
  // In a gzip member of its own.
  EXPECT_THAT(
      ReadLines(directory.Write("a", GzipOf("\xef\xbb\xbf") + GzipOf("one\n"))),
      IsOkAndHolds(ElementsAre("1:one")));
}

TEST(LineReaderTest, ReadsCompressedLines) {
  const TempDirectory directory;
  // Lines of 0 to 999 bytes, which end everywhere in the buffers.
  std::string text;
  std::vector<std::string> want;
  for (size_t i = 1; i < 1000; ++i) {
    const std::string line(i, static_cast<char>('a' + i % 26));
    absl::StrAppend(&text, line, "\n");
    want.push_back(absl::StrCat(i, ":", line));
  }
  EXPECT_THAT(ReadLines(directory.Write("a", text)), IsOkAndHolds(want));
  EXPECT_THAT(ReadLines(directory.Write("a", GzipOf(text))),
              IsOkAndHolds(want));
  EXPECT_THAT(ReadLines(directory.Write("a", ZstdOf(text))),
              IsOkAndHolds(want));
}

TEST(LineReaderTest, LongLinesArePassedOver) {
  const TempDirectory directory;
  const std::string long_line(200'000, 'x');
  EXPECT_THAT(ReadLines(directory.Write("a", absl::StrCat("12345\n", long_line,
                                                          "\n123456\r\n1")),
                        5),
              IsOkAndHolds(ElementsAre("1:12345", "2:!", "3:!", "4:1")));
  // The limit is of the line alone, without mark and end.
  EXPECT_THAT(ReadLines(directory.Write("a",
                                        "\xef\xbb\xbf"
                                        "12345\r\n"),
                        5),
              IsOkAndHolds(ElementsAre("1:12345")));
  EXPECT_THAT(ReadLines(directory.Write("a",
                                        "\xef\xbb\xbf"
                                        "123456\r\n"),
                        5),
              IsOkAndHolds(ElementsAre("1:!")));
}

TEST(LineReaderTest, DamageNamesTheLine) {
  const TempDirectory directory;
  std::string gzip = GzipOf("one\ntwo\n");
  gzip.resize(gzip.size() - 1);
  EXPECT_THAT(ReadLines(directory.Write("a", gzip)),
              StatusIs(absl::StatusCode::kDataLoss,
                       EndsWith(", in line 3 of the contents")));
}

}  // namespace
}  // namespace moe::text
