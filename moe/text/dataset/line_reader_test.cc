#include "moe/text/dataset/line_reader.h"

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
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
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::IsEmpty;

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
}  // namespace moe
