#include "moe/text/tokenizer/tokenizer_json_parts.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/text/tokenizer/json_node.h"

namespace moe {
namespace {

using ::moe::testing::IsOk;
using ::moe::testing::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// What is malformed is in malformed_tokenizer_test, what the pieces do in their
// own tests; here is how they are put together.

TEST(TokenizerJsonPartsTest, ALastByteLevelLeavesBytes) {
  const auto parse = [](absl::string_view text) {
    const SortedJson document = ParseSortedJson(text).value();
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
  const SortedJson document = ParseSortedJson(R"([
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
    const SortedJson document =
        ParseSortedJson(
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
  const SortedJson document =
      ParseSortedJson(
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
    const SortedJson document =
        ParseSortedJson(
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

}  // namespace
}  // namespace moe
