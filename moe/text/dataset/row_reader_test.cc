#include "moe/text/dataset/row_reader.h"

#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/text/dataset/dataset_options.pb.h"
#include "moe/text/dataset/testing/compress.h"
#include "moe/text/dataset/testing/read_rows.h"

namespace moe {
namespace {

using ::moe::testing::GzipOf;
using ::moe::testing::IsOkAndHolds;
using ::moe::testing::ReadRowsTest;
using ::moe::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kTooLong = absl::StatusCode::kResourceExhausted;

class RowReaderTest : public ReadRowsTest {};

TEST_F(RowReaderTest, TellsTheFormatByNameAndContents) {
  const struct {
    const char* name;
    const char* contents;
    const char* first;
    bool is_text;
  } kCases[] = {
      {"a.jsonl", "{\"text\": 1}\n", "{\"text\": 1}", false},
      {"a.json", "\n\n[{\"a\": 1}]", "{\"a\": 1}", false},
      {"a.JSON", "{\"text\": 1}", "{\"text\": 1}", false},
      {"a", "{\"text\": 1}\n", "{\"text\": 1}", false},
      {"wiki.train.raw", " = Fox =\n", " = Fox =\n", true},
      {"a.txt", "[1] The fox.\n", "[1] The fox.\n", true},
      {"a.txt", "{\"text\": 1}\n{\"text\": 2}\n", "{\"text\": 1}", false},
      {"a.txt", "{not JSON}\n", "{not JSON}\n", true},
      {"a.csv", "text\nfox\n", "fox", true},
      {"a.tsv", "id\ttext\n1\tfox\n", "fox", true},
  };
  for (const auto& test : kCases) {
    MOE_ASSERT_OK_AND_ASSIGN(const Rows rows, Read(test.name, test.contents));
    ASSERT_FALSE(rows.empty()) << test.name;
    EXPECT_EQ(rows[0].second, test.first) << test.name;
    EXPECT_EQ(last_is_text(), test.is_text) << test.name;
  }
  EXPECT_THAT(Read("a.csv.gz", GzipOf("text\nfox\n")),
              IsOkAndHolds(ElementsAre(Pair(2, "fox"))));
}

TEST_F(RowReaderTest, DocumentsOfAText) {
  constexpr char kText[] = "\n a\r\nb\n\n \nc\n";
  EXPECT_THAT(Read("a.txt", kText),
              IsOkAndHolds(ElementsAre(Pair(1, "\n a\nb\n\n \nc\n"))));
  EXPECT_THAT(Read("a.txt", ""), IsOkAndHolds(ElementsAre(Pair(1, ""))));
  EXPECT_THAT(Read("a.txt", kText, 5),
              IsOkAndHolds(ElementsAre(
                  Pair(1, HasSubstr("--split_documents=blank_line")))));
  options_.set_split_documents(TokenizeOptions::BLANK_LINE);
  EXPECT_THAT(Read("a.txt", kText),
              IsOkAndHolds(ElementsAre(Pair(2, " a\nb"), Pair(6, "c"))));
  EXPECT_THAT(Read("a.txt", "\n\n"), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(Read("a.txt", "abcdefgh\n\nc\n", 5),
              IsOkAndHolds(ElementsAre(Pair(1, HasSubstr("the paragraph has")),
                                       Pair(3, "c"))));
}

TEST_F(RowReaderTest, NamesOtherFormatsAndWhatToDo) {
  const struct {
    const char* name;
    std::string contents;
    const char* message;
  } kCases[] = {
      {"a.parquet", "PAR1", "is Parquet"},
      {"a", "PAR1....", "to_json('NEW.jsonl')"},
      {"a.arrow", "\xff\xff\xff\xff", "is Arrow"},
      {"a.jsonl", "PK\x03\x04", "is a zip archive"},
      {"a.jsonl", std::string("\xff\xfe{\0", 4), "is in UTF-16"},
      {"a.jsonl", std::string("{\0\"\0", 4), "iconv -f UTF-16"},
  };
  for (const auto& test : kCases) {
    EXPECT_THAT(Read(test.name, test.contents),
                StatusIs(kInvalid, HasSubstr(test.message)))
        << test.name;
  }
}

TEST_F(RowReaderTest, LinesThatAreTooLong) {
  EXPECT_THAT(
      Read("a.jsonl", "{\"a\": \"bcdef\"}\n{}\n", 5),
      IsOkAndHolds(ElementsAre(Pair(1, HasSubstr("the line has more than 5")),
                               Pair(2, "{}"))));
  EXPECT_EQ(RowTooLong("line", 5).code(), kTooLong);
}

}  // namespace
}  // namespace moe
