#include "moe/text/tokenizer/tokenizer_config.h"

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"

namespace moe::text {
namespace {

using ::moe::base::testing::IsOk;
using ::moe::base::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::Optional;

TEST(TokenizerConfigTest, StringsAndObjects) {
  TokenizerConfig config;
  MOE_ASSERT_OK(MergeTokenizerConfig(
      R"({"bos_token":"<s>","eos_token":{"content":"</s>","lstrip":false},
          "unk_token":null,"add_bos_token":true,"legacy":null})",
      &config));
  EXPECT_THAT(config.bos_token, Optional(std::string("<s>")));
  EXPECT_THAT(config.eos_token, Optional(std::string("</s>")));
  EXPECT_EQ(config.unk_token, std::nullopt);
  EXPECT_THAT(config.add_bos_token, Optional(true));
  EXPECT_EQ(config.legacy, std::nullopt);
  // What is there first stays.
  MOE_ASSERT_OK(MergeTokenizerConfig(R"({"bos_token":"x","unk_token":"<unk>"})",
                                     &config));
  EXPECT_THAT(config.bos_token, Optional(std::string("<s>")));
  EXPECT_THAT(config.unk_token, Optional(std::string("<unk>")));
}

TEST(TokenizerConfigTest, AddedTokens) {
  TokenizerConfig config;
  MOE_ASSERT_OK(MergeTokenizerConfig(
      R"({"added_tokens_decoder":{"7":{"content":"<pad>","special":true,"lstrip":true}}})",
      &config));
  MOE_ASSERT_OK(MergeAddedTokens(R"({"<pad>":9,"<x>":8})", &config));
  ASSERT_EQ(config.added_tokens.size(), 2u);
  EXPECT_EQ(config.added_tokens[0].id, 7);
  EXPECT_TRUE(config.added_tokens[0].special);
  EXPECT_TRUE(config.added_tokens[0].lstrip);
  EXPECT_EQ(config.added_tokens[1].content, "<x>");
  EXPECT_EQ(config.added_tokens[1].id, 8);
}

TEST(TokenizerConfigTest, SpecialTokens) {
  TokenizerConfig config;
  MOE_ASSERT_OK(MergeTokenizerConfig(
      R"({"tokenizer_class":"LlamaTokenizer","pad_token":null,
          "mask_token":{"content":"<m>","lstrip":true},
          "additional_special_tokens":["<x>"],
          "extra_special_tokens":{"image":"<i>"}})",
      &config));
  EXPECT_EQ(config.tokenizer_class, "LlamaTokenizer");
  EXPECT_EQ(config.named_tokens.count("sep_token"), 0u);
  ASSERT_EQ(config.named_tokens.count("pad_token"), 1u);
  EXPECT_FALSE(config.named_tokens["pad_token"].has_value());
  ASSERT_TRUE(config.named_tokens["mask_token"].has_value());
  EXPECT_TRUE(config.named_tokens["mask_token"]->has_flags);
  EXPECT_TRUE(config.named_tokens["mask_token"]->token.lstrip);
  ASSERT_EQ(config.additional_tokens.size(), 1u);
  ASSERT_EQ(config.extra_tokens.size(), 1u);
  EXPECT_EQ(config.extra_tokens[0].token.content, "<i>");
  EXPECT_FALSE(config.has_added_tokens_decoder);
  MOE_ASSERT_OK(
      MergeTokenizerConfig(R"({"extra_special_tokens":["<j>"]})", &config));
  EXPECT_EQ(config.additional_tokens[1].token.content, "<j>");
}

TEST(TokenizerConfigTest, TheMapComesFirstWithoutADecoder) {
  constexpr char kMap[] =
      R"({"bos_token":"<m>","additional_special_tokens":["<y>"]})";
  TokenizerConfig config;
  MOE_ASSERT_OK(MergeTokenizerConfig(
      R"({"bos_token":"<c>","eos_token":"</c>"})", &config));
  MOE_ASSERT_OK(MergeSpecialTokensMap(kMap, &config));
  EXPECT_THAT(config.bos_token, Optional(std::string("<m>")));
  EXPECT_THAT(config.eos_token, Optional(std::string("</c>")));
  EXPECT_EQ(config.named_tokens["bos_token"]->token.content, "<m>");
  EXPECT_EQ(config.additional_tokens.size(), 1u);
  TokenizerConfig decoder;
  MOE_ASSERT_OK(
      MergeTokenizerConfig(R"({"added_tokens_decoder":{}})", &decoder));
  MOE_ASSERT_OK(MergeSpecialTokensMap(kMap, &decoder));
  EXPECT_THAT(decoder.bos_token, Optional(std::string("<m>")));
  EXPECT_EQ(decoder.named_tokens.size(), 0u);
  EXPECT_EQ(decoder.additional_tokens.size(), 0u);
}

TEST(TokenizerConfigTest, Malformed) {
  const auto error = [](const char* text, const char* message) {
    TokenizerConfig config;
    EXPECT_THAT(
        MergeTokenizerConfig(text, &config),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)));
  };
  error("{", "malformed JSON");
  error("[]", "/: expected an object, found an array of 0");
  error(R"({"bos_token":1})", "/bos_token");
  error(R"({"bos_token":{"x":1}})", "\"content\"");
  error(R"({"legacy":"no"})", "/legacy");
  error(R"({"added_tokens_decoder":{"x":{"content":"a"}}})",
        "/added_tokens_decoder/x");
  error(R"({"added_tokens_decoder":[]})", "/added_tokens_decoder");
  error(R"({"added_tokens_decoder":{"4":{"content":"a"},
                                    "5":{"content":"a","lstrip":true}}})",
        "expected the token \"a\" once, found it under the id 4 with other "
        "flags");
  error(R"({"pad_token":1})", "/pad_token");
  error(R"({"tokenizer_class":1})", "/tokenizer_class");
  error(R"({"additional_special_tokens":"<x>"})", "/additional_special_tokens");
  error(R"({"extra_special_tokens":{"i":1}})", "/extra_special_tokens/i");
  TokenizerConfig config;
  EXPECT_THAT(MergeAddedTokens(R"({"a":-1})", &config),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("/a")));
  EXPECT_THAT(MergeAddedTokens("[]", &config),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(TokenizerConfigTest, RefusesAddedTokensThatAreTooLong) {
  const std::string token(5000, 'x');
  const auto is_refusal =
      StatusIs(absl::StatusCode::kResourceExhausted,
               HasSubstr("expected at most 4096 bytes in one, found 5000"));
  TokenizerConfig config;
  EXPECT_THAT(
      MergeAddedTokens(absl::StrCat(R"({")", token, R"(":7})"), &config),
      is_refusal);
  TokenizerConfig other;
  EXPECT_THAT(MergeTokenizerConfig(
                  absl::StrCat(R"({"added_tokens_decoder":{"7":{"content":")",
                               token, R"("}}})"),
                  &other),
              is_refusal);
}

TEST(TokenizerConfigTest, TheSameTokenUnderTwoIdsIsOne) {
  TokenizerConfig config;
  MOE_ASSERT_OK(MergeTokenizerConfig(
      R"({"added_tokens_decoder":{"4":{"content":"a","rstrip":true},
                                  "5":{"content":"a","rstrip":true}}})",
      &config));
  ASSERT_EQ(config.added_tokens.size(), 1u);
  EXPECT_EQ(config.added_tokens[0].id, 4);
}

// Looking through them all for each one would take minutes.
TEST(TokenizerConfigTest, ManyAddedTokens) {
  constexpr int kNumTokens = 400'000;
  std::string text = "{";
  for (int i = 0; i < kNumTokens; ++i) {
    absl::StrAppend(&text, i == 0 ? "" : ",", "\"t", i, "\":", i);
  }
  text += "}";
  TokenizerConfig config;
  MOE_ASSERT_OK(MergeAddedTokens(text, &config));
  EXPECT_EQ(config.added_tokens.size(), size_t{kNumTokens});
  // They are known now.
  MOE_ASSERT_OK(MergeAddedTokens(text, &config));
  EXPECT_EQ(config.added_tokens.size(), size_t{kNumTokens});
}

}  // namespace
}  // namespace moe::text
