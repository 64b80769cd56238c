#include "moe/text/dataset/span_tokens.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/text/tokenizer/tokenizer.h"

namespace moe::text {
namespace {

using ::moe::base::testing::IsOkAndHolds;

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

// llama2_style, where <s> takes the white space before it, </s> that behind it.
std::unique_ptr<Tokenizer> StrippingTokenizer() {
  std::ifstream in("testdata/tokenizers/llama2_style/tokenizer.json");
  const std::string text((std::istreambuf_iterator<char>(in)), {});
  const std::string changed = absl::StrReplaceAll(
      text, {{R"("<s>","single_word":false,"lstrip":false)",
              R"("<s>","single_word":false,"lstrip":true)"},
             {R"("</s>","single_word":false,"lstrip":false,"rstrip":false)",
              R"("</s>","single_word":false,"lstrip":false,"rstrip":true)"}});
  EXPECT_EQ(changed.size(), text.size() - 2);
  const std::string directory = ::testing::TempDir() + "/stripping";
  std::filesystem::create_directory(directory);
  std::ofstream(directory + "/tokenizer.json") << changed;
  return LoadTokenizer(directory).value();
}

// In "a</s>  b" the token </s> reaches up to "b", in "b  <s>c" <s> begins
// behind "b": char_to_token of the spaces gives these tokens.
TEST(StrippingTokensTest, ATokenCountsThatTakesWhiteSpaceFromTheSpan) {
  const auto tokenizer = StrippingTokenizer();
  const auto text_of = [&](absl::string_view text, Span span) {
    return TextOf(*tokenizer, EncodeSpans(*tokenizer, text, {span}).value(), 0);
  };
  EXPECT_EQ(text_of("a</s>  b<s>c", {5, 8}), "</s> b");
  EXPECT_EQ(text_of("a</s>  b<s>c", {6, 8}), "</s> b");
  EXPECT_EQ(text_of("a</s>  b<s>c", {7, 8}), "b");
  EXPECT_EQ(text_of("a</s>  b<s>c", {5, 7}), "</s>");
  EXPECT_EQ(text_of("a</s>b  <s>c", {5, 7}), "b<s>");
  EXPECT_EQ(text_of("a</s>b  <s>c", {5, 6}), "b");
  EXPECT_EQ(text_of("a</s>b  <s>c", {7, 11}), "<s>");
  EXPECT_EQ(text_of("a</s>b<s>c", {5, 6}), "b");
}

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
}  // namespace moe::text
