#include "moe/text/tokenizer/tokenizer_json_parts.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/checkpoint/json.h"
#include "moe/text/tokenizer/json_node.h"

namespace moe {
namespace {

using ::moe::testing::IsOk;
using ::testing::ElementsAre;

// What is malformed is in malformed_tokenizer_test, what the pieces do in their
// own tests; here is how they are put together.

TEST(TokenizerJsonPartsTest, ALastByteLevelLeavesBytes) {
  const auto parse = [](absl::string_view text) {
    const SortedJson document = ParseSortedJson(text).value();
    return ParsePreTokenizer(JsonNode(document)).value();
  };
  constexpr char kByteLevel[] =
      R"({"type":"ByteLevel","add_prefix_space":false,"use_regex":false})";
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

TEST(TokenizerJsonPartsTest, TheOneTemplateOfASequence) {
  const SortedJson document =
      ParseSortedJson(R"({"type":"Sequence","processors":[{"type":"ByteLevel"},
        {"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}},
         {"Sequence":{"id":"A"}}],"special_tokens":{"<s>":{"ids":[3,4]}}}]})")
          .value();
  MOE_ASSERT_OK_AND_ASSIGN(const PostProcessor processor,
                           ParsePostProcessor(JsonNode(document), 5));
  EXPECT_THAT(processor.Run({1}, true), ElementsAre(3, 4, 1));
}

}  // namespace
}  // namespace moe
