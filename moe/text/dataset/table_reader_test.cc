#include "moe/text/dataset/table_reader.h"

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/text/dataset/testing/read_rows.h"

namespace moe {
namespace {

using ::moe::testing::IsOkAndHolds;
using ::moe::testing::ReadRowsTest;
using ::moe::testing::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

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
      StatusIs(kInvalid,
               AllOf(HasSubstr("a.csv: the table has no column \"text\""),
                     HasSubstr("--text_column: id, story"))));
  EXPECT_THAT(Read("a.csv", ""),
              StatusIs(kInvalid, HasSubstr("the table is empty")));
  EXPECT_THAT(
      Read("a.csv", "id,text\n1,a,b\n2,c\n"),
      IsOkAndHolds(ElementsAre(Pair(2, HasSubstr("has 3 fields; wanted are 2")),
                               Pair(3, "c"))));
  EXPECT_THAT(
      Read("a.csv", "id,text\n1,\"a\n2,b\n"),
      StatusIs(kInvalid, HasSubstr("a.csv:2: a quoted field has no end")));
  EXPECT_THAT(Read("a.csv", "text\n" + std::string(20, 'x') + "\nb\n", 10),
              IsOkAndHolds(ElementsAre(Pair(2, HasSubstr("more than 10 bytes")),
                                       Pair(3, "b"))));
}

}  // namespace
}  // namespace moe
