#include "moe/base/json.h"

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"

namespace moe::base {
namespace {

using ::moe::base::testing::IsOk;
using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

std::string Nested(int depth) {
  return std::string(static_cast<size_t>(depth), '[') +
         std::string(static_cast<size_t>(depth), ']');
}

TEST(ParseJsonTest, KeepsTheOrderOfFields) {
  MOE_ASSERT_OK_AND_ASSIGN(const Json value,
                           ParseJson(R"({"z": 1, "a": {"y": [2.5, null]}})"));
  EXPECT_EQ(FormatJson(value), R"({
  "z": 1,
  "a": {
    "y": [
      2.5,
      null
    ]
  }
}
)");
}

TEST(ParseJsonTest, RefusesWhatReadersDisagreeOn) {
  EXPECT_THAT(ParseJson(R"({"a": 1, "b": {"a": 1}})"), IsOk());
  EXPECT_THAT(ParseJson(R"({"a": 1, "b": 2, "a": 1})"),
              StatusIs(kInvalid, HasSubstr("\"a\" occurs twice")));
  EXPECT_THAT(ParseJson(Nested(kMaxJsonDepth)), IsOk());
  EXPECT_THAT(
      ParseJson(Nested(kMaxJsonDepth + 1)),
      StatusIs(
          kInvalid,
          HasSubstr("at most 64 levels, found a value that is nested deeper")));
  EXPECT_THAT(ParseJson(Nested(1000000)), StatusIs(kInvalid));
}

TEST(ParseJsonTest, FieldsAreLimitedWhereTheyKeepTheirOrder) {
  std::string text = "{";
  for (size_t i = 0; i <= kMaxJsonFields; ++i) {
    absl::StrAppend(&text, i == 0 ? "" : ",", "\"", i, "\":0");
  }
  text += "}";
  EXPECT_THAT(
      ParseJson(text),
      StatusIs(kInvalid,
               HasSubstr("at most 10000 fields in an object, found more")));
  MOE_ASSERT_OK_AND_ASSIGN(const SortedJson sorted, ParseSortedJson(text));
  EXPECT_EQ(sorted.size(), kMaxJsonFields + 1);
  EXPECT_THAT(ParseSortedJson(R"({"a": 1, "a": 1})"), StatusIs(kInvalid));
}

TEST(ParseJsonTest, SaysWhereItIsMalformed) {
  EXPECT_THAT(ParseJson("{\"a\": 1,}"),
              StatusIs(kInvalid, HasSubstr("byte 9")));
  for (const char* text : {"", "{", "nul", "{\"a\": \"\xff\"}", "1 2", "NaN"}) {
    EXPECT_THAT(ParseJson(text), StatusIs(kInvalid)) << text;
  }
  EXPECT_THAT(
      ParseJsonObject("[1]"),
      StatusIs(kInvalid,
               HasSubstr("expected a JSON object, found a JSON array")));
}

TEST(FormatJsonTest, NumbersRoundTrip) {
  const std::string text =
      "[\n  9.999999747378752e-06,\n  1e-05,\n  "
      "500000.0,\n  128000,\n  -1\n]\n";
  MOE_ASSERT_OK_AND_ASSIGN(const Json value, ParseJson(text));
  EXPECT_EQ(FormatJson(value), text);
}

TEST(GetTest, GivesTheValueTheDefaultOrAnError) {
  MOE_ASSERT_OK_AND_ASSIGN(
      const Json object,
      ParseJson(R"({"i": 7, "d": 0.5, "s": "x", "b": true, "n": null,
                    "big": 18446744073709551615})"));
  EXPECT_THAT(Get<int64_t>(object, "i"), IsOkAndHolds(7));
  EXPECT_THAT(Get<double>(object, "d"), IsOkAndHolds(0.5));
  EXPECT_THAT(Get<double>(object, "i"), IsOkAndHolds(7.0));
  EXPECT_THAT(Get<std::string>(object, "s"), IsOkAndHolds(std::string("x")));
  EXPECT_THAT(Get<bool>(object, "b"), IsOkAndHolds(true));
  EXPECT_THAT(GetOr<int64_t>(object, "n", 3), IsOkAndHolds(3));
  EXPECT_THAT(GetOr<int64_t>(object, "absent", 3), IsOkAndHolds(3));
  EXPECT_THAT(
      Get<int64_t>(object, "n"),
      StatusIs(kInvalid,
               HasSubstr("n: expected a whole number, found no such field")));
  EXPECT_THAT(Get<int64_t>(object, "d"),
              StatusIs(kInvalid, AllOf(HasSubstr("found 0.5"),
                                       HasSubstr("a whole number"))));
  EXPECT_THAT(Get<int64_t>(object, "big"), StatusIs(kInvalid));
  EXPECT_THAT(Get<bool>(object, "i"), StatusIs(kInvalid));
  EXPECT_THAT(Get<std::string>(object, "i"), StatusIs(kInvalid));
}

TEST(JsonTest, AZeroByteIsNotTheEnd) {
  EXPECT_THAT(ParseJson(absl::string_view("{}\0x", 4)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("malformed JSON at byte 3: a zero byte")));
}

}  // namespace
}  // namespace moe::base
