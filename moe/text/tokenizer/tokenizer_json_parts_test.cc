#include "moe/text/tokenizer/tokenizer_json_parts.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/text/tokenizer/json_node.h"

namespace moe::text {
namespace {

using ::moe::base::testing::IsOk;
using ::moe::base::testing::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// What is malformed is in malformed_tokenizer_test, what the pieces do in their
// own tests; here is how they are put together.

TEST(TokenizerJsonPartsTest, ALastByteLevelLeavesBytes) {
  const auto parse = [](absl::string_view text) {
    const base::SortedJson document = base::ParseSortedJson(text).value();
    return ParsePreTokenizer(JsonNode(document)).value();
  };
  constexpr char kByteLevel[] =
      R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false})";
  EXPECT_TRUE(parse(kByteLevel).words_are_bytes);
  EXPECT_FALSE(
      parse(R"({"type":"Digits","individual_digits":true})").words_are_bytes);
  EXPECT_FALSE(
      parse(absl::StrCat(R"({"type":"Sequence","pretokenizers":[)", kByteLevel,
                         R"(,{"type":"WhitespaceSplit"}]})"))
          .words_are_bytes);
}

TEST(TokenizerJsonPartsTest, AddedTokensGetTheIdsOfThePackage) {
  BpeSpec spec;
  spec.vocab = {{"a", 0}, {"b", 1}, {"c", 5}};  // Three tokens, so 3 is next.
  const BpeModel model = BpeModel::Create(spec).value();
  const base::SortedJson document = base::ParseSortedJson(R"([
        {"id":77,"content":"x","single_word":false,"lstrip":false,"rstrip":false,"normalized":true,"special":false},
        {"id":5,"content":"c","single_word":false,"lstrip":true,"rstrip":false,"normalized":false,"special":true},
        {"id":8,"content":"","single_word":false,"lstrip":true,"rstrip":false,"normalized":false,"special":true},
        {"id":77,"content":"x","single_word":false,"lstrip":false,"rstrip":false,"normalized":true,"special":false},
        {"id":9,"content":"y","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":false}])")
                                        .value();
  MOE_ASSERT_OK_AND_ASSIGN(const std::vector<AddedToken> tokens,
                           ParseAddedTokens(JsonNode(document), model));
  std::vector<int32_t> ids;
  for (const AddedToken& token : tokens) ids.push_back(token.id);
  EXPECT_THAT(ids, ElementsAre(3, 5, 4));
  EXPECT_TRUE(tokens[1].lstrip);
  EXPECT_TRUE(tokens[0].normalized);
}

TEST(TokenizerJsonPartsTest, MergesInBothForms) {
  for (const absl::string_view merges : {R"(["a b"])", R"([["a","b"]])"}) {
    const base::SortedJson document =
        base::ParseSortedJson(
            absl::StrCat(R"({"vocab":{"a":0,"b":1,"ab":2},"merges":)", merges,
                         R"(,"continuing_subword_prefix":"","dropout":0.0})"))
            .value();
    MOE_ASSERT_OK_AND_ASSIGN(const BpeSpec spec, ParseBpe(JsonNode(document)));
    ASSERT_EQ(spec.merges.size(), 1u);
    EXPECT_EQ(spec.merges[0].first, "a");
    EXPECT_EQ(spec.merges[0].second, "b");
  }
}

TEST(TokenizerJsonPartsTest, RefusesAnAddedTokenThatIsTooLong) {
  BpeSpec spec;
  spec.vocab = {{"a", 0}};
  const BpeModel model = BpeModel::Create(spec).value();
  const base::SortedJson document =
      base::ParseSortedJson(
          absl::StrCat(R"([{"id":1,"content":")", std::string(5000, 'x'),
                       R"(","single_word":false,"lstrip":false,)",
                       R"("rstrip":false,"normalized":false,"special":true}])"))
          .value();
  EXPECT_THAT(ParseAddedTokens(JsonNode(document), model),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       AllOf(HasSubstr("/0: the added token \"xxx"),
                             HasSubstr("at most 4096 bytes in one, found "
                                       "5000"))));
}

TEST(TokenizerJsonPartsTest, APatternIsOneOfTwo) {
  const auto parse = [](absl::string_view pattern) {
    const base::SortedJson document =
        base::ParseSortedJson(
            absl::StrCat(R"({"type":"Replace","content":"","pattern":)",
                         pattern, "}"))
            .value();
    return ParseNormalizer(JsonNode(document)).status();
  };
  MOE_EXPECT_OK(parse(R"({"String":"a"})"));
  MOE_EXPECT_OK(parse(R"({"Regex":"a"})"));
  for (const char* pattern :
       {R"({"Regex":"a","String":"a"})", R"({"Regex":"a","more":1})",
        R"({"Other":"a"})", "{}", R"("a")"}) {
    EXPECT_THAT(parse(pattern),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("one field of String, Regex")))
        << pattern;
  }
}

// What was found of the tokenizers package 0.22.2: it takes the first files of
// each test, and refuses the others.

auto IsRefusal(absl::string_view place) {
  return StatusIs(absl::StatusCode::kInvalidArgument,
                  HasSubstr(std::string(place)));
}

TEST(ParseByteLevelTest, TwoFieldsMustBeThere) {
  const auto parse = [](absl::string_view text) {
    const base::SortedJson document = base::ParseSortedJson(text).value();
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
              IsRefusal("/trim_offsets: expected true or false, found 1"));
  EXPECT_THAT(parse(R"({"add_prefix_space":true,"trim_offsets":true,
                        "use_regex":null})"),
              IsRefusal("/use_regex: expected true or false, found null"));
}

absl::Status Truncation(absl::string_view text) {
  const base::SortedJson document = base::ParseSortedJson(text).value();
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
      IsRefusal("/max_length: expected a whole number from 0 to "
                "18446744073709551615, found -1"));
  EXPECT_THAT(Truncation(R"({"max_length":1,"strategy":"First","stride":0})"),
              IsRefusal("/strategy: expected one of LongestFirst, OnlyFirst, "
                        "OnlySecond, found \"First\""));
  EXPECT_THAT(Truncation(R"({"max_length":1,"strategy":{"OnlyFirst":1},
                             "stride":0})"),
              IsRefusal("/strategy/OnlyFirst: expected null, found 1"));
  EXPECT_THAT(Truncation(R"({"max_length":1,"strategy":"OnlyFirst"})"),
              IsRefusal("stride"));
  EXPECT_THAT(Truncation(R"({"max_length":1,"strategy":"OnlyFirst","stride":0,
                             "direction":null})"),
              IsRefusal("/direction: expected a string, found null"));
  EXPECT_THAT(Truncation("true"), IsRefusal("expected an object, found true"));
}

TEST(CheckPaddingTest, HoldsEachField) {
  const base::SortedJson good =
      base::ParseSortedJson(
          R"({"strategy":{"Fixed":8},"direction":"Right",
          "pad_to_multiple_of":null,"pad_id":0,"pad_type_id":0,
          "pad_token":"a"})")
          .value();
  MOE_EXPECT_OK(CheckPadding(JsonNode(good)));
  for (const char* field :
       {"strategy", "direction", "pad_id", "pad_type_id", "pad_token"}) {
    base::SortedJson bad = good;
    bad.erase(field);
    EXPECT_THAT(CheckPadding(JsonNode(bad)), IsRefusal(field));
  }
  const auto with = [&good](const char* field, absl::string_view value) {
    base::SortedJson changed = good;
    changed[field] = base::ParseSortedJson(value).value();
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
}  // namespace moe::text
