#include "moe/text/tokenizer/tokenizer_json_fields.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/text/tokenizer/json_node.h"

namespace moe {
namespace {

using ::moe::testing::StatusIs;
using ::testing::HasSubstr;

// What was found of the tokenizers package 0.22.2: it takes the first files of
// each test, and refuses the others.

auto IsRefusal(absl::string_view place) {
  return StatusIs(absl::StatusCode::kInvalidArgument,
                  HasSubstr(std::string(place)));
}

TEST(ParseByteLevelTest, TwoFieldsMustBeThere) {
  const auto parse = [](absl::string_view text) {
    const SortedJson document = ParseSortedJson(text).value();
    return ParseByteLevel(JsonNode(document));
  };
  MOE_ASSERT_OK_AND_ASSIGN(
      const ByteLevelFields fields,
      parse(R"({"add_prefix_space":true,"trim_offsets":false})"));
  EXPECT_TRUE(fields.add_prefix_space);
  EXPECT_TRUE(fields.use_regex);
  EXPECT_THAT(parse(R"({"add_prefix_space":true})"), IsRefusal("trim_offsets"));
  EXPECT_THAT(parse(R"({"trim_offsets":true})"), IsRefusal("add_prefix_space"));
  EXPECT_THAT(parse(R"({"add_prefix_space":true,"trim_offsets":1})"),
              IsRefusal("/trim_offsets: found is 1"));
  EXPECT_THAT(parse(R"({"add_prefix_space":true,"trim_offsets":true,
                        "use_regex":null})"),
              IsRefusal("/use_regex: found is null"));
}

absl::Status Truncation(absl::string_view text) {
  const SortedJson document = ParseSortedJson(text).value();
  return CheckTruncation(JsonNode(document));
}

TEST(CheckTruncationTest, HoldsEachField) {
  MOE_EXPECT_OK(Truncation(
      R"({"max_length":8,"strategy":"OnlyFirst","stride":0,"more":1})"));
  MOE_EXPECT_OK(Truncation(
      R"({"max_length":18446744073709551615,"strategy":{"LongestFirst":null},
          "stride":0,"direction":"Left"})"));
  EXPECT_THAT(Truncation(R"({"strategy":"OnlyFirst","stride":0})"),
              IsRefusal("max_length"));
  EXPECT_THAT(
      Truncation(R"({"max_length":-1,"strategy":"OnlyFirst","stride":0})"),
      IsRefusal("/max_length: found is -1"));
  EXPECT_THAT(Truncation(R"({"max_length":1,"strategy":"First","stride":0})"),
              IsRefusal("/strategy: found is \"First\"; wanted is one of"));
  EXPECT_THAT(Truncation(R"({"max_length":1,"strategy":{"OnlyFirst":1},
                             "stride":0})"),
              IsRefusal("/strategy/OnlyFirst: found is 1"));
  EXPECT_THAT(Truncation(R"({"max_length":1,"strategy":"OnlyFirst"})"),
              IsRefusal("stride"));
  EXPECT_THAT(Truncation(R"({"max_length":1,"strategy":"OnlyFirst","stride":0,
                             "direction":null})"),
              IsRefusal("/direction: found is null"));
  EXPECT_THAT(Truncation("true"), IsRefusal("wanted is an object"));
}

TEST(CheckPaddingTest, HoldsEachField) {
  const SortedJson good = ParseSortedJson(
                              R"({"strategy":{"Fixed":8},"direction":"Right",
          "pad_to_multiple_of":null,"pad_id":0,"pad_type_id":0,
          "pad_token":"a"})")
                              .value();
  MOE_EXPECT_OK(CheckPadding(JsonNode(good)));
  for (const char* field :
       {"strategy", "direction", "pad_id", "pad_type_id", "pad_token"}) {
    SortedJson bad = good;
    bad.erase(field);
    EXPECT_THAT(CheckPadding(JsonNode(bad)), IsRefusal(field));
  }
  const auto with = [&good](const char* field, absl::string_view value) {
    SortedJson changed = good;
    changed[field] = ParseSortedJson(value).value();
    return CheckPadding(JsonNode(changed));
  };
  MOE_EXPECT_OK(with("strategy", R"("BatchLongest")"));
  MOE_EXPECT_OK(with("pad_to_multiple_of", "8"));
  EXPECT_THAT(with("strategy", R"({"Fixed":-1})"),
              IsRefusal("/strategy/Fixed"));
  EXPECT_THAT(with("strategy", R"("Fixed")"), IsRefusal("/strategy"));
  EXPECT_THAT(with("direction", R"("Up")"), IsRefusal("/direction"));
  EXPECT_THAT(with("pad_to_multiple_of", "0.5"),
              IsRefusal("/pad_to_multiple_of"));
  EXPECT_THAT(with("pad_id", "4294967296"), IsRefusal("/pad_id"));
  EXPECT_THAT(with("pad_token", "1"), IsRefusal("/pad_token"));
}

}  // namespace
}  // namespace moe
