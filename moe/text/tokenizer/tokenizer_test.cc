#include "moe/text/tokenizer/tokenizer.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/random_access_file.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"

namespace moe::text {
namespace {

using ::moe::base::testing::IsOk;
using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kJson[] =
    R"({"model":{"type":"BPE","vocab":{"a":0,"<s>":1},"merges":[]}})";

std::string DigestOf(const TempDirectory& directory) {
  return LoadTokenizer(directory.path()).value()->digest();
}

TEST(TokenizerTest, ReadsTheConfigsBeside) {
  const TempDirectory directory;
  directory.Write("tokenizer.json", kJson);
  MOE_ASSERT_OK_AND_ASSIGN(auto tokenizer, LoadTokenizer(directory.path()));
  EXPECT_EQ(tokenizer->bos_id(), std::nullopt);
  directory.Write("special_tokens_map.json",
                  R"({"bos_token":{"content":"<s>"},"eos_token":"<s>"})");
  directory.Write("tokenizer_config.json",
                  R"({"bos_token":"a","add_bos_token":true})");
  MOE_ASSERT_OK_AND_ASSIGN(tokenizer, LoadTokenizer(directory.path()));
  // As in transformers, the special_tokens_map.json comes first where there is
  // no added_tokens_decoder.
  EXPECT_EQ(tokenizer->bos_id(), 1);
  EXPECT_EQ(tokenizer->eos_id(), 1);
  directory.Write("tokenizer_config.json",
                  R"({"bos_token":"a","added_tokens_decoder":{}})");
  MOE_ASSERT_OK_AND_ASSIGN(tokenizer, LoadTokenizer(directory.path()));
  EXPECT_EQ(tokenizer->bos_id(), 0);
  EXPECT_EQ(tokenizer->eos_id(), 1);
  // A tokenizer.json says in its post-processor what is added.
  EXPECT_THAT(tokenizer->Encode("a", true), IsOkAndHolds(ElementsAre(0)));
}

TEST(TokenizerTest, TakesThePrefixSpaceOfTheConfigForOneByteLevel) {
  // U+0120 is what ByteLevel makes of a space.
  constexpr char kByteLevel[] =
      R"({"model":{"type":"BPE","vocab":{"a":0,"\u0120":1},"merges":[]},)"
      R"("pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true}})";
  constexpr char kSequence[] =
      R"({"model":{"type":"BPE","vocab":{"a":0,"\u0120":1},"merges":[]},)"
      R"("pre_tokenizer":{"type":"Sequence","pretokenizers":[)"
      R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true}]}})";
  const TempDirectory directory;
  directory.Write("tokenizer.json", kByteLevel);
  const std::string digest = DigestOf(directory);
  directory.Write("tokenizer_config.json", R"({"add_prefix_space":true})");
  MOE_ASSERT_OK_AND_ASSIGN(auto tokenizer, LoadTokenizer(directory.path()));
  EXPECT_THAT(tokenizer->Encode("a", true), IsOkAndHolds(ElementsAre(1, 0)));
  EXPECT_NE(tokenizer->digest(), digest);
  directory.Write("tokenizer.json", kSequence);
  MOE_ASSERT_OK_AND_ASSIGN(tokenizer, LoadTokenizer(directory.path()));
  EXPECT_THAT(tokenizer->Encode("a", true), IsOkAndHolds(ElementsAre(0)));
}

TEST(TokenizerTest, TheDigestIsOfWhatCounts) {
  const TempDirectory directory;
  directory.Write("tokenizer.json", kJson);
  const std::string digest = DigestOf(directory);
  EXPECT_EQ(digest.size(), 64u);
  EXPECT_EQ(DigestOf(directory), digest);
  directory.Write("tokenizer_config.json", R"({"padding_side":"left"})");
  EXPECT_EQ(DigestOf(directory), digest);
  directory.Write("tokenizer_config.json", R"({"bos_token":"a"})");
  const std::string with_bos = DigestOf(directory);
  EXPECT_NE(with_bos, digest);
  directory.Write("tokenizer_config.json", R"({"eos_token":"a"})");
  EXPECT_NE(DigestOf(directory), with_bos);
  directory.Write("tokenizer_config.json", "{}");
  directory.Write("tokenizer.json", std::string(kJson) + " ");
  EXPECT_NE(DigestOf(directory), digest);
}

TEST(TokenizerTest, ModelsOfSentencePiece) {
  const TempDirectory directory;
  directory.Write(
      "tokenizer.model",
      base::ReadFile("testdata/tokenizers/sentencepiece/tokenizer.model",
                     1 << 20)
          .value());
  MOE_ASSERT_OK_AND_ASSIGN(auto tokenizer, LoadTokenizer(directory.path()));
  EXPECT_EQ(tokenizer->vocab_size(), 2000);
  const std::string digest = tokenizer->digest();
  directory.Write("added_tokens.json", R"({"<pad>":2000})");
  MOE_ASSERT_OK_AND_ASSIGN(tokenizer, LoadTokenizer(directory.path()));
  EXPECT_EQ(tokenizer->vocab_size(), 2001);
  EXPECT_NE(tokenizer->digest(), digest);
  MOE_ASSERT_OK_AND_ASSIGN(const auto the, tokenizer->Encode("the", false));
  MOE_ASSERT_OK_AND_ASSIGN(tokenizer,
                           LoadTokenizer(directory.path(), {false, true}));
  std::vector<int32_t> ids = the;
  ids.push_back(2);  // EOS.
  EXPECT_THAT(tokenizer->Encode("the", true), IsOkAndHolds(ids));
  // A tokenizer.json comes first.
  directory.Write("tokenizer.json", kJson);
  directory.Write("tokenizer_config.json", R"({"added_tokens_decoder":{}})");
  MOE_ASSERT_OK_AND_ASSIGN(tokenizer, LoadTokenizer(directory.path()));
  EXPECT_EQ(tokenizer->vocab_size(), 2);
}

TEST(TokenizerTest, TokensOfTheFilesBesideAreTokens) {
  const TempDirectory directory;
  directory.Write("tokenizer.json", kJson);
  const std::string digest = DigestOf(directory);
  directory.Write("tokenizer_config.json", R"({"tokenizer_class":"X",
      "added_tokens_decoder":{"2":{"content":"<d>","special":true}}})");
  MOE_ASSERT_OK_AND_ASSIGN(auto tokenizer, LoadTokenizer(directory.path()));
  EXPECT_THAT(tokenizer->Encode("a<d>a", true),
              IsOkAndHolds(ElementsAre(0, 2, 0)));
  EXPECT_EQ(tokenizer->vocab_size(), 3);
  EXPECT_EQ(tokenizer->base_vocab_size(), 2);
  EXPECT_NE(tokenizer->digest(), digest);
  // Beside an added_tokens_decoder, added_tokens.json is not read.
  directory.Write("added_tokens.json", R"({"<t>":2})");
  EXPECT_EQ(DigestOf(directory), tokenizer->digest());
  directory.Write("tokenizer_config.json", R"({"tokenizer_class":"X"})");
  MOE_ASSERT_OK_AND_ASSIGN(tokenizer, LoadTokenizer(directory.path()));
  EXPECT_THAT(tokenizer->Encode("a<t><d>", true),
              IsOkAndHolds(ElementsAre(0, 2)));
}

TEST(TokenizerTest, TheEndsOfTextsThatAreAskedFor) {
  const TempDirectory directory;
  directory.Write("tokenizer.json", kJson);
  const std::string digest = DigestOf(directory);
  EXPECT_THAT(LoadTokenizer(directory.path(), {true, {}}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("--add_bos: expected a tokenizer with the "
                                 "bos_token, found none")));
  directory.Write("tokenizer_config.json", R"({"bos_token":"<s>"})");
  MOE_ASSERT_OK_AND_ASSIGN(auto plain, LoadTokenizer(directory.path()));
  MOE_ASSERT_OK_AND_ASSIGN(auto with_bos,
                           LoadTokenizer(directory.path(), {true, {}}));
  EXPECT_THAT(with_bos->Encode("a", true), IsOkAndHolds(ElementsAre(1, 0)));
  EXPECT_NE(with_bos->digest(), plain->digest());
  // What is as it would be changes nothing.
  MOE_ASSERT_OK_AND_ASSIGN(auto without_bos,
                           LoadTokenizer(directory.path(), {false, {}}));
  EXPECT_EQ(without_bos->digest(), plain->digest());
}

TEST(TokenizerTest, WantsADirectory) {
  const TempDirectory directory;
  EXPECT_THAT(LoadTokenizer(directory.Path("none")),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr(directory.Path("none") + ": No such file")));
  EXPECT_THAT(LoadTokenizer(directory.Write("tokenizer.json", kJson))
                  .status()
                  .message(),
              HasSubstr("tokenizer.json: Not a directory"));
}

TEST(TokenizerTest, ErrorsSayWhichFile) {
  const TempDirectory directory;
  EXPECT_THAT(
      LoadTokenizer(directory.path()),
      StatusIs(absl::StatusCode::kNotFound,
               HasSubstr(directory.path() + ": expected a tokenizer.json or a "
                                            "tokenizer.model, found neither")));
  directory.Write("tokenizer.model", "x");
  EXPECT_THAT(LoadTokenizer(directory.path()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr(directory.Path("tokenizer.model"))));
  directory.Write("tokenizer.json", "{");
  EXPECT_THAT(LoadTokenizer(directory.path()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr(directory.Path("tokenizer.json"))));
  directory.Write("tokenizer_config.json", "[");
  EXPECT_THAT(LoadTokenizer(directory.path()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr(directory.Path("tokenizer_config.json"))));
}

}  // namespace
}  // namespace moe::text
