#include "moe/text/tokenizer/config_tokens.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/text/tokenizer/added_tokens.h"
#include "moe/text/tokenizer/bpe_model.h"
#include "moe/text/tokenizer/tokenizer_config.h"

namespace moe::text {
namespace {

using ::moe::base::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Vocabulary a 0, b 1; added token <s> 2.
class AddConfigTokensTest : public ::testing::Test {
 protected:
  AddConfigTokensTest() : model_(BpeModel::Create(Spec()).value()) {
    AddedToken token;
    token.id = 2;
    token.content = "<s>";
    token.special = true;
    tokens_.push_back(token);
  }

  static BpeSpec Spec() {
    BpeSpec spec;
    spec.vocab = {{"a", 0}, {"b", 1}};
    return spec;
  }

  // Each token as "content id", with a letter for each flag that is set.
  std::vector<std::string> Add(absl::string_view config_json,
                               absl::string_view map = "",
                               absl::string_view added_tokens = "") {
    TokenizerConfig config;
    EXPECT_THAT(MergeTokenizerConfig(config_json, &config), IsOk());
    if (!map.empty()) {
      EXPECT_THAT(MergeSpecialTokensMap(map, &config), IsOk());
    }
    if (!added_tokens.empty()) {
      EXPECT_THAT(MergeAddedTokens(added_tokens, &config), IsOk());
    }
    std::vector<AddedToken> tokens = tokens_;
    changes_ = AddConfigTokens(config, model_, &tokens);
    std::vector<std::string> shown;
    for (const AddedToken& token : tokens) {
      shown.push_back(absl::StrCat(
          token.content, " ", token.id, token.single_word ? "w" : "",
          token.lstrip ? "l" : "", token.rstrip ? "r" : "",
          token.normalized ? "n" : "", token.special ? "s" : ""));
    }
    return shown;
  }

  const BpeModel model_;
  std::vector<AddedToken> tokens_;
  std::string changes_;
};

TEST_F(AddConfigTokensTest, WhatIsKnownChangesNothing) {
  EXPECT_THAT(Add("{}"), ElementsAre("<s> 2s"));
  EXPECT_THAT(changes_, IsEmpty());
  EXPECT_THAT(Add(R"({"bos_token":"<s>","additional_special_tokens":["<s>"],
                      "added_tokens_decoder":{"2":{"content":"<s>",
                      "special":true}}})"),
              ElementsAre("<s> 2s"));
  EXPECT_THAT(changes_, IsEmpty());
}

TEST_F(AddConfigTokensTest, TheDecoderComesFirstInTheOrderOfIds) {
  EXPECT_THAT(Add(R"({"pad_token":"<pad>","bos_token":"<b>",
              "additional_special_tokens":["<x>",{"content":"<y>","lstrip":true}],
              "added_tokens_decoder":{"10":{"content":"<d>"},
                "3":{"content":"<c>","special":true,"rstrip":true}}})"),
              ElementsAre("<s> 2s", "<c> 3rs", "<d> 4n", "<b> 5s", "<pad> 6s",
                          "<x> 7s", "<y> 8ls"));
  EXPECT_THAT(changes_, HasSubstr("3:<c>3"));
}

TEST_F(AddConfigTokensTest, FlagsOfTheConfigCountAndIdsOfTheVocabulary) {
  EXPECT_THAT(
      Add(R"({"added_tokens_decoder":{"2":{"content":"<s>","special":true,
              "lstrip":true},"1":{"content":"b","special":true}}})"),
      ElementsAre("<s> 2ls", "b 1s"));
}

TEST_F(AddConfigTokensTest, TheFirstOfANameCounts) {
  EXPECT_THAT(
      Add(R"({"bos_token":{"content":"<x>","lstrip":true},"eos_token":"<x>",
              "additional_special_tokens":[{"content":"<x>","rstrip":true}]})"),
      ElementsAre("<s> 2s", "<x> 3ls"));
}

// What the package looks for in the text as it is stays there.
TEST_F(AddConfigTokensTest, ATokenDoesNotBecomeNormalized) {
  EXPECT_THAT(
      Add(R"({"added_tokens_decoder":{"2":{"content":"<s>","special":true,
              "normalized":true,"lstrip":true}}})"),
      ElementsAre("<s> 2ls"));
}

// The package keeps the first special version of a token.
TEST_F(AddConfigTokensTest, ASpecialTokenStaysNormalized) {
  tokens_[0].normalized = true;
  EXPECT_THAT(Add(R"({"added_tokens_decoder":{"2":{"content":"<s>",
                      "normalized":false,"lstrip":true}}})"),
              ElementsAre("<s> 2ln"));
  EXPECT_THAT(Add(R"({"added_tokens_decoder":{"2":{"content":"<s>",
                      "special":true,"normalized":false,"rstrip":true}}})"),
              ElementsAre("<s> 2rns"));
}

TEST_F(AddConfigTokensTest, ATokenThatIsNotSpecialBecomesNotNormalized) {
  tokens_[0].normalized = true;
  tokens_[0].special = false;
  EXPECT_THAT(Add(R"({"added_tokens_decoder":{"2":{"content":"<s>",
                      "normalized":false}}})"),
              ElementsAre("<s> 2"));
}

TEST_F(AddConfigTokensTest, TheLastOfTheAdditionalTokensCounts) {
  EXPECT_THAT(Add(R"({"additional_special_tokens":["<x>",{"content":"<x>",
              "rstrip":true}],
              "extra_special_tokens":{"a":{"content":"<y>","lstrip":true},
                                      "b":"<y>"}})"),
              ElementsAre("<s> 2s", "<x> 3rs", "<y> 4ls"));
}

TEST_F(AddConfigTokensTest, AnotherIdThanTheFileSaysIsANotice) {
  ::testing::internal::CaptureStderr();
  EXPECT_THAT(Add(R"({"added_tokens_decoder":{"70":{"content":"<far>",
                      "special":true}}})"),
              ElementsAre("<s> 2s", "<far> 3s"));
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("the token \"<far>\" the id 70, but it gets the id 3"));
}

TEST_F(AddConfigTokensTest, TheOtherFilesCountWithoutADecoder) {
  EXPECT_THAT(Add(R"({"bos_token":"<no>"})",
                  R"({"bos_token":"<b>","pad_token":{"content":"<pad>"}})",
                  R"({"<pad>":4,"<t>":3,"<lost>":2})"),
              ElementsAre("<s> 2s", "<t> 3n", "<pad> 4s", "<b> 5s"));
  EXPECT_THAT(Add(R"({"added_tokens_decoder":{}})", R"({"bos_token":"<b>"})"),
              ElementsAre("<s> 2s"));
}

TEST_F(AddConfigTokensTest, ClassesHaveNamesOfTheirOwn) {
  EXPECT_THAT(Add(R"({"tokenizer_class":"LlamaTokenizerFast"})"),
              ElementsAre("<s> 2s", "</s> 3s", "<unk> 4s"));
  EXPECT_THAT(Add(R"({"tokenizer_class":"LlamaTokenizer","unk_token":null,
              "eos_token":"b"})"),
              ElementsAre("<s> 2s", "b 1s"));
  EXPECT_THAT(Add(R"({"tokenizer_class":"PreTrainedTokenizerFast"})"),
              ElementsAre("<s> 2s"));
}

TEST_F(AddConfigTokensTest, AHoleInTheVocabularyIsNotTakenTwice) {
  BpeSpec spec;
  spec.vocab = {{"a", 0}, {"c", 2}};
  const BpeModel model = BpeModel::Create(spec).value();
  TokenizerConfig config;
  EXPECT_THAT(MergeTokenizerConfig(R"({"pad_token":"<hole>"})", &config),
              IsOk());
  std::vector<AddedToken> tokens;
  ::testing::internal::CaptureStderr();
  EXPECT_THAT(AddConfigTokens(config, model, &tokens), IsEmpty());
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("\"<hole>\" is left out: another token of "
                        "tokenizer.json has its id, 2"));
  EXPECT_THAT(tokens, IsEmpty());
}

}  // namespace
}  // namespace moe::text
