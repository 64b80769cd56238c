#include "moe/text/dataset/row_reader.h"

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/text/dataset/dataset_options.pb.h"
#include "moe/text/dataset/testing/compress.h"
#include "moe/text/dataset/testing/read_rows.h"

namespace moe::text {
namespace {

using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
using ::moe::text::testing::GzipOf;
using ::moe::text::testing::ReadRowsTest;
using ::testing::AllOf;
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
              IsOkAndHolds(ElementsAre(
                  Pair(1, HasSubstr("the paragraph: expected at most 5 bytes")),
                  Pair(3, "c"))));
}

TEST_F(RowReaderTest, NamesOtherFormatsAndWhatToDo) {
  const struct {
    const char* name;
    std::string contents;
    const char* message;
  } kCases[] = {
      {"a.parquet", "PAR1", "found Parquet"},
      {"a", "PAR1....", "to_json('NEW.jsonl')"},
      {"a.arrow", "\xff\xff\xff\xff", "found Arrow"},
      {"a.jsonl", "PK\x03\x04", "found a zip archive"},
      {"a.jsonl", std::string("\xff\xfe{\0", 4), "found UTF-16"},
      {"a.jsonl", std::string("{\0\"\0", 4), "iconv -f UTF-16"},
  };
  for (const auto& test : kCases) {
    EXPECT_THAT(Read(test.name, test.contents),
                StatusIs(kInvalid, HasSubstr(test.message)))
        << test.name;
  }
}

TEST_F(RowReaderTest, LinesThatAreTooLong) {
  EXPECT_THAT(Read("a.jsonl", "{\"a\": \"bcdef\"}\n{}\n", 5),
              IsOkAndHolds(ElementsAre(
                  Pair(1, HasSubstr("the line: expected at most 5 bytes")),
                  Pair(2, "{}"))));
  EXPECT_EQ(RowTooLong("line", 5).code(), kTooLong);
}

class JsonArrayReaderTest : public ReadRowsTest {};

TEST_F(JsonArrayReaderTest, ElementsOfAnArray) {
  EXPECT_THAT(Read("a.json", "[]"), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(Read("a.json", "\xef\xbb\xbf [ ] \n"), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(
      Read("a.json",
           "[\n  {\"a\": [1, {\"b\": \"]}\\\"\"}]},\n  {\n\"c\": 2 },"
           " 3, \"x,]\", [4]\n]\n"),
      IsOkAndHolds(ElementsAre(Pair(2, "{\"a\": [1, {\"b\": \"]}\\\"\"}]}"),
                               Pair(3, "{\n\"c\": 2 }"), Pair(4, "3"),
                               Pair(4, "\"x,]\""), Pair(4, "[4]"))));
}

TEST_F(JsonArrayReaderTest, AMalformedArrayIsAnError) {
  const std::pair<const char*, const char*> kCases[] = {
      {"[{}",
       "a.json:1: the JSON array: expected ',' or ']' after an element, found "
       "the end of the file"},
      {"[{},\n", "expected an element, found the end of the file"},
      {"[{},]", "expected an element, found ']'"},
      {"[,{}]", "expected an element, found ','"},
      {"[{}\n{}]",
       "a.json:2: the JSON array: expected ',' or ']' after an element, found "
       "'{'"},
      {"[{}]\n[{}]", "expected the end of the file after its ']', found '['"},
      {"[", "expected an element, found the end of the file"},
  };
  for (const auto& [text, message] : kCases) {
    EXPECT_THAT(Read("a.json", text), StatusIs(kInvalid, HasSubstr(message)))
        << text;
  }
}

TEST_F(JsonArrayReaderTest, AnElementThatIsTooLongIsPassedOver) {
  EXPECT_THAT(
      Read("a.json", "[\"" + std::string(100, 'x') + "\", {}]", 50),
      IsOkAndHolds(ElementsAre(
          Pair(1, HasSubstr("element of the array: expected at most 50 bytes")),
          Pair(1, "{}"))));
}

class TableReaderTest : public ReadRowsTest {};

TEST_F(TableReaderTest, RecordsOfATable) {
  EXPECT_THAT(
      Read("a.csv", "id,text\r\n1,\"a, \"\"b\"\"\nc\"\r\n\r\n2,d\"e\"\n3,"),
      IsOkAndHolds(
          ElementsAre(Pair(2, "a, \"b\"\nc"), Pair(5, "d\"e\""), Pair(6, ""))));
  EXPECT_THAT(Read("a.tsv", "text\tid\n\"a\tb\"\t1\n"),
              IsOkAndHolds(ElementsAre(Pair(2, "a\tb"))));
  // The only column has any name.
  EXPECT_THAT(Read("a.csv", "story\nfox\n"),
              IsOkAndHolds(ElementsAre(Pair(2, "fox"))));
  options_.set_text_column("body");
  EXPECT_THAT(Read("a.csv", "text,body\na,b\n"),
              IsOkAndHolds(ElementsAre(Pair(2, "b"))));
}

TEST_F(TableReaderTest, WhatIsWrongWithATable) {
  EXPECT_THAT(
      Read("a.csv", "id,story\n1,a\n"),
      StatusIs(kInvalid, AllOf(HasSubstr("a.csv: the table: expected a column "
                                         "\"text\", found id, story;"),
                               HasSubstr("with --text_column"))));
  EXPECT_THAT(Read("a.csv", ""),
              StatusIs(kInvalid, HasSubstr("the table: expected a line with "
                                           "the columns' names, found none")));
  EXPECT_THAT(
      Read("a.csv", "id,text\n1,a,b\n2,c\n"),
      IsOkAndHolds(ElementsAre(
          Pair(2, HasSubstr("expected 2 fields, as in the header, found 3")),
          Pair(3, "c"))));
  EXPECT_THAT(
      Read("a.csv", "id,text\n1,\"a\n2,b\n"),
      StatusIs(
          kInvalid,
          HasSubstr("a.csv:2: a quoted field: expected a '\"' at its end")));
  EXPECT_THAT(Read("a.csv", "text\n" + std::string(20, 'x') + "\nb\n", 10),
              IsOkAndHolds(ElementsAre(Pair(2, HasSubstr("at most 10 bytes")),
                                       Pair(3, "b"))));
}

}  // namespace
}  // namespace moe::text
