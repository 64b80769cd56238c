#include "moe/text/tokenizer/bpe_tokenizer.h"

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/random_access_file.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/text/tokenizer/tokenizer_json.h"

namespace moe::text {
namespace {

using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::unique_ptr<BpeTokenizer> Load(const std::string& name,
                                   const TokenizerNames& names = {}) {
  const std::string text = base::ReadFile(absl::StrCat("testdata/tokenizers/",
                                                       name, "/tokenizer.json"),
                                          1 << 20)
                               .value();
  return ParseTokenizerJson(text, names).value();
}

TEST(BpeTokenizerTest, SpecialTokensByName) {
  const auto tokenizer =
      Load("llama3_style", {"<|begin_of_text|>", "<|eot_id|>", "digest"});
  EXPECT_EQ(tokenizer->vocab_size(), 2005);
  EXPECT_EQ(tokenizer->TokenToId("<|begin_of_text|>"), 2000);
  EXPECT_EQ(tokenizer->bos_id(), 2000);
  EXPECT_EQ(tokenizer->eos_id(), 2004);
  EXPECT_EQ(tokenizer->TokenToId("no such token"), std::nullopt);
  EXPECT_EQ(Load("llama3_style")->bos_id(), std::nullopt);
  EXPECT_THAT(tokenizer->Encode("<|eot_id|>", false),
              IsOkAndHolds(ElementsAre(2004)));
  EXPECT_THAT(tokenizer->Encode("", true), IsOkAndHolds(ElementsAre(2000)));
  EXPECT_THAT(tokenizer->Decode({2000, 2004}, true), IsOkAndHolds(""));
}

TEST(BpeTokenizerTest, NamesHaveToBeTokens) {
  const std::string text =
      base::ReadFile("testdata/tokenizers/llama3_style/tokenizer.json", 1 << 20)
          .value();
  EXPECT_THAT(
      ParseTokenizerJson(text, {"<nothing>", std::nullopt, ""}),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("bos_token: expected a token, found \"<nothing>\"")));
}

TEST(BpeTokenizerTest, IdsOutOfRangeAreErrors) {
  const auto tokenizer = Load("gpt2_style");
  EXPECT_THAT(tokenizer->Decode({0, -1}, false),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("ids[1]: expected an id from 0 to ")));
  EXPECT_THAT(
      tokenizer->Decode({static_cast<int32_t>(tokenizer->vocab_size())}, true),
      StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(BpeTokenizerTest, AWordOfAMegabyte) {
  const auto tokenizer = Load("llama3_style");
  const std::string word(1 << 20, 'a');
  const auto ids = tokenizer->Encode(word, false);
  EXPECT_THAT(tokenizer->Decode(ids.value(), false), IsOkAndHolds(word));
}

TEST(BpeTokenizerTest, ThreadsGetTheSame) {
  const auto tokenizer = Load("llama3_style");
  std::vector<std::string> texts;
  for (int i = 0; i < 30; ++i) {
    texts.push_back(absl::StrCat("Word ", i * 7919, " of the text, ", i, "!"));
  }
  std::vector<std::vector<int32_t>> want;
  for (const std::string& text : texts) {
    want.push_back(Load("llama3_style")->Encode(text, true).value());
  }
  std::vector<std::thread> threads;
  std::vector<int> wrong(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int round = 0; round < 5; ++round) {
        for (size_t i = 0; i < texts.size(); ++i) {
          wrong[static_cast<size_t>(t)] +=
              tokenizer->Encode(texts[i], true).value() != want[i];
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(wrong, ::testing::Each(0));
}

}  // namespace
}  // namespace moe::text
