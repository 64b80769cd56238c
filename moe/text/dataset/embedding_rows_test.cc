#include "moe/text/dataset/embedding_rows.h"

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/text/dataset/testing/byte_tokenizer.h"

namespace moe::text {
namespace {

using ::moe::base::testing::IsOk;
using ::moe::base::testing::StatusIs;
using ::moe::text::testing::ByteTokenizer;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

TEST(CheckVocabularyFitsTest, EveryIdNeedsARow) {
  EXPECT_THAT(CheckVocabularyFits(512, 512), IsOk());
  EXPECT_THAT(CheckVocabularyFits(500, 512), IsOk());
  EXPECT_THAT(
      CheckVocabularyFits(513, 512),
      StatusIs(kInvalid,
               HasSubstr("expected ids below 512, the rows of the model's "
                         "embedding (vocab_size), found ids up to 512")));
}

TEST(CheckTokenizerFitsTest, AddedTokensMayLieBeyond) {
  const ByteTokenizer tokenizer = ByteTokenizer::Llama3();  // 257 and 4 more.
  EXPECT_THAT(CheckTokenizerFits(tokenizer, 257), IsOk());
  EXPECT_THAT(
      CheckTokenizerFits(tokenizer, 256),
      StatusIs(kInvalid, HasSubstr("expected ids below 256, the rows of")));
}

TEST(CheckTokensFitTest, SaysWhichTokenAndWhatToDo) {
  const ByteTokenizer tokenizer = ByteTokenizer::Llama3();
  EXPECT_THAT(CheckTokensFit({1, 259}, &tokenizer, 260), IsOk());
  EXPECT_THAT(
      CheckTokensFit({1, 260, 300}, &tokenizer, 260),
      StatusIs(
          kInvalid,
          AllOf(HasSubstr(
                    "the token \"<|eot_id|>\": expected an id below 260, the "
                    "rows of the model's embedding (vocab_size), found 260"),
                HasSubstr("resize_token_embeddings(261)"))));
  EXPECT_THAT(
      CheckTokensFit({300}, nullptr, 260),
      StatusIs(kInvalid,
               HasSubstr("a token: expected an id below 260, the rows of the "
                         "model's embedding (vocab_size), found 300")));
}

}  // namespace
}  // namespace moe::text
