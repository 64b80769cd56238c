#include "moe/text/tokenizer/sentencepiece_tokenizer.h"

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/random_access_file.h"
#include "moe/base/testing/status_matchers.h"

namespace moe::text {
namespace {

using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
using ::testing::HasSubstr;

absl::StatusOr<std::unique_ptr<SentencePieceTokenizer>> Load(
    const TokenizerConfig& config) {
  const std::string bytes =
      base::ReadFile("testdata/tokenizers/sentencepiece/tokenizer.model",
                     1 << 20)
          .value();
  return SentencePieceTokenizer::Create(bytes, config, "digest");
}

std::vector<int32_t> Join(std::vector<std::vector<int32_t>> parts) {
  std::vector<int32_t> joined;
  for (const auto& part : parts) {
    joined.insert(joined.end(), part.begin(), part.end());
  }
  return joined;
}

TEST(SentencePieceTokenizerTest, SpecialTokensStandBetweenTexts) {
  const auto tokenizer = Load({}).value();
  const auto the = tokenizer->Encode("the", false).value();
  const auto of = tokenizer->Encode("of", false).value();
  // Legacy: each text gets its own space.
  EXPECT_THAT(tokenizer->Encode("the</s>of", false),
              IsOkAndHolds(Join({the, {2}, of})));
  EXPECT_THAT(tokenizer->Encode("the", true), IsOkAndHolds(Join({{1}, the})));
  EXPECT_THAT(tokenizer->Decode(Join({{1}, the, {2}, of}), false),
              IsOkAndHolds("<s>the</s>of"));
  EXPECT_THAT(tokenizer->Decode(Join({{1}, the, {2}}), true),
              IsOkAndHolds("the"));
  EXPECT_EQ(tokenizer->vocab_size(), 2000);
  EXPECT_EQ(tokenizer->bos_id(), 1);
  EXPECT_EQ(tokenizer->eos_id(), 2);
  EXPECT_EQ(tokenizer->TokenToId("</s>"), 2);
  EXPECT_EQ(tokenizer->TokenToId("no such token"), std::nullopt);
  EXPECT_EQ(tokenizer->digest(), "digest");
}

TEST(SentencePieceTokenizerTest, NotLegacy) {
  TokenizerConfig config;
  config.legacy = false;
  const auto tokenizer = Load(config).value();
  const auto legacy = Load({}).value();
  EXPECT_THAT(tokenizer->Encode("the time of", false),
              IsOkAndHolds(legacy->Encode("the time of", false).value()));
  // " of" after a special token is a word of its own; "of" is not.
  const auto of = legacy->Encode("of", false).value();
  EXPECT_THAT(tokenizer->Encode("<s> of", false),
              IsOkAndHolds(Join({{1}, of})));
  EXPECT_NE(tokenizer->Encode("<s>of", false).value(), Join({{1}, of}));
  EXPECT_THAT(tokenizer->Encode("", false),
              IsOkAndHolds(std::vector<int32_t>()));
}

TEST(SentencePieceTokenizerTest, WhatTheConfigSays) {
  TokenizerConfig config;
  config.add_bos_token = false;
  config.add_eos_token = true;
  AddedToken pad;
  pad.id = 2005;
  pad.content = "<pad>";
  pad.special = true;
  config.added_tokens = {pad};
  const auto tokenizer = Load(config).value();
  EXPECT_THAT(tokenizer->Encode("<pad>", true),
              IsOkAndHolds(std::vector<int32_t>{2005, 2}));
  EXPECT_EQ(tokenizer->vocab_size(), 2006);
  EXPECT_THAT(tokenizer->Decode({2005, 2003}, false), IsOkAndHolds("<pad>"));
  EXPECT_THAT(
      tokenizer->Decode({2006}, false),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("ids[0]: expected an id from 0 to 2005, found 2006")));
}

TEST(SentencePieceTokenizerTest, SpecialTokensThatAFileNamesAreTokens) {
  TokenizerConfig config;
  MOE_ASSERT_OK(MergeTokenizerConfig(
      R"({"pad_token":"<pad>","eos_token":"</s>","bos_token":"<new>",
          "additional_special_tokens":["<x>","<pad>"],
          "added_tokens_decoder":{"2000":{"content":"<d>"}}})",
      &config));
  const auto tokenizer = Load(config).value();
  EXPECT_EQ(tokenizer->bos_id(), 2001);
  EXPECT_THAT(tokenizer->Encode("<d><pad><x></s>", true),
              IsOkAndHolds(std::vector<int32_t>{2001, 2000, 2002, 2003, 2}));
  EXPECT_THAT(tokenizer->Decode({2002, 2000}, true), IsOkAndHolds("<d>"));
  EXPECT_EQ(tokenizer->vocab_size(), 2004);
  EXPECT_EQ(tokenizer->base_vocab_size(), 2000);
  EXPECT_NE(tokenizer->digest(), "digest");
  // What the model has as special tokens changes nothing.
  TokenizerConfig known;
  MOE_ASSERT_OK(MergeTokenizerConfig(
      R"({"pad_token":"</s>","additional_special_tokens":["<s>"]})", &known));
  EXPECT_EQ(Load(known).value()->digest(), "digest");
}

TEST(SentencePieceTokenizerTest, Refuses) {
  TokenizerConfig config;
  AddedToken token;
  token.id = 5;
  token.content = "<x>";
  config.added_tokens = {token};
  EXPECT_THAT(Load(config), StatusIs(absl::StatusCode::kInvalidArgument,
                                     HasSubstr("does not have it, found 5")));
  EXPECT_THAT(SentencePieceTokenizer::Create("no model", {}, ""),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("not a SentencePiece model")));
}

}  // namespace
}  // namespace moe::text
