#include "moe/text/dataset/span_tokens.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/text/tokenizer/tokenizer.h"

namespace moe {
namespace {

using ::moe::testing::IsOkAndHolds;

// The text of a span's tokens.
std::string TextOf(const Tokenizer& tokenizer, const SpanTokens& encoded,
                   size_t i) {
  const Span& span = encoded.tokens[i];
  return tokenizer
      .Decode(absl::MakeConstSpan(encoded.ids)
                  .subspan(span.first, span.second - span.first),
              false)
      .value();
}

class SpanTokensTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    tokenizer_ =
        LoadTokenizer(absl::StrCat("testdata/tokenizers/", GetParam())).value();
  }

  std::unique_ptr<Tokenizer> tokenizer_;
};

TEST_P(SpanTokensTest, TheTokensOfASpanHoldItsText) {
  const std::string text = "The fox went out.\nIt was a sunny day, and warm.";
  for (size_t begin = 0; begin < text.size(); ++begin) {
    for (size_t end = begin + 1; end <= text.size(); end += 5) {
      MOE_ASSERT_OK_AND_ASSIGN(const SpanTokens encoded,
                               EncodeSpans(*tokenizer_, text, {{begin, end}}));
      EXPECT_THAT(tokenizer_->Encode(text, false), IsOkAndHolds(encoded.ids));
      const std::string found = TextOf(*tokenizer_, encoded, 0);
      const std::string want = text.substr(begin, end - begin);
      // A decoder may leave a space at the start out.
      EXPECT_THAT(found,
                  ::testing::HasSubstr(want[0] == ' ' ? want.substr(1) : want))
          << begin << " to " << end;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Tokenizers, SpanTokensTest,
                         ::testing::Values("llama3_style", "smollm2_style",
                                           "llama2_style"));

TEST(EndOfTurnTest, IsASpecialTokenDirectlyBehind) {
  const auto tokenizer =
      LoadTokenizer("testdata/tokenizers/llama3_style").value();
  const auto end = [&](absl::string_view text, absl::string_view eos = "") {
    return EndOfTurn(*tokenizer, text, 2, eos);
  };
  EXPECT_THAT(end("ab<|eot_id|>c"), IsOkAndHolds(2 + 10));
  EXPECT_THAT(end("ab"), IsOkAndHolds(2));
  EXPECT_THAT(end("abc<|eot_id|>"), IsOkAndHolds(2));
  EXPECT_THAT(end("ab <|eot_id|>"), IsOkAndHolds(2));
  EXPECT_THAT(end("ab <|eot_id|>", "<|eot_id|>"), IsOkAndHolds(3 + 10));
  EXPECT_THAT(end("ab\xe6\x9d\xb1"), IsOkAndHolds(2));
}

}  // namespace
}  // namespace moe
