#include "moe/text/dataset/json_array_reader.h"

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
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

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
      {"[{}", "a.json:1: the JSON array ends early; wanted is ',' or ']'"},
      {"[{},\n", "ends early; wanted is an element"},
      {"[{},]", "goes on with ']'; wanted is an element"},
      {"[,{}]", "goes on with ','; wanted is an element"},
      {"[{}\n{}]", "a.json:2: the JSON array goes on with '{'"},
      {"[{}]\n[{}]", "goes on with '['; wanted is the end of the file"},
      {"[", "ends early"},
  };
  for (const auto& [text, message] : kCases) {
    EXPECT_THAT(Read("a.json", text), StatusIs(kInvalid, HasSubstr(message)))
        << text;
  }
}

TEST_F(JsonArrayReaderTest, AnElementThatIsTooLongIsPassedOver) {
  EXPECT_THAT(Read("a.json", "[\"" + std::string(100, 'x') + "\", {}]", 50),
              IsOkAndHolds(ElementsAre(
                  Pair(1, HasSubstr("element of the array has more than 50")),
                  Pair(1, "{}"))));
}

}  // namespace
}  // namespace moe
