#include "moe/text/tokenizer/regex_translation.h"

#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"

namespace moe::text {
namespace {

using ::moe::base::testing::IsOk;
using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
using ::testing::HasSubstr;

TEST(RegexTranslationTest, SpellsOutWhatDiffers) {
  EXPECT_THAT(TranslateRegex(R"(\s)"),
              IsOkAndHolds(R"([\x{9}-\x{d}\x{20}\x{85}\p{Z}])"));
  EXPECT_THAT(TranslateRegex(R"([^\s\r-])"),
              IsOkAndHolds(R"([^\x{9}-\x{d}\x{20}\x{85}\p{Z}\x{d}\x{2d}])"));
  EXPECT_THAT(TranslateRegex(R"(\v(a|b)\d)"),
              IsOkAndHolds(R"(\x{b}(?:a|b)\p{Nd})"));
  EXPECT_THAT(TranslateRegex(R"(\p{Han}\p{^L}\P{Lu})"),
              IsOkAndHolds(R"(\p{sc:Han}\P{L}\P{Lu})"));
  EXPECT_THAT(TranslateRegex("a{1,3}b{c}"),
              IsOkAndHolds(R"(a{1,3}b\x{7b}c\x{7d})"));
}

TEST(RegexTranslationTest, TakesThePatternsOfRealFiles) {
  // Llama 3, GPT-2, Qwen2, GPT-4o.
  EXPECT_THAT(
      TranslateRegex(
          R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"),
      IsOk());
  EXPECT_THAT(
      TranslateRegex(
          R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)"),
      IsOk());
  EXPECT_THAT(
      TranslateRegex(
          R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"),
      IsOk());
  EXPECT_THAT(
      TranslateRegex(
          R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"),
      IsOk());
}

TEST(RegexTranslationTest, RefusesWhatIsNotKnownToBeTheSame) {
  const char* const kRefused[] = {
      R"(\h)",      R"(\R)",       R"(\1)",      R"(\k<a>)",
      R"(\xff)",    "(?i)a",       "(?<n>a)",    "(?m:.)",
      "(*FAIL)",    "[[:alpha:]]", "[a&&b]",     "[a[b]]",
      "[]a]",       "[a",          "(a",         "a)",
      "a{1,2}+",    "a{2}?",       "a{3,2}",     "a{,2}",
      "(?i:ss)",    "(?i:é)",      "(?i:[^a])",  R"((?i:\p{Lu}))",
      R"([\S])",    R"([\W])",     R"(\p{Foo})", R"(\pL)",
      "\\",         "[b-a]",       "(?i:xst)",   R"([\w-a])",
      R"(\x{D800})"};
  for (const char* const pattern : kRefused) {
    EXPECT_THAT(TranslateRegex(pattern),
                StatusIs(absl::StatusCode::kUnimplemented, HasSubstr(pattern)))
        << pattern;
  }
  EXPECT_THAT(TranslateRegex(R"(ab\h)"),
              StatusIs(absl::StatusCode::kUnimplemented,
                       HasSubstr(R"(has at byte 2 "\h")")));
  EXPECT_THAT(TranslateRegex(std::string(1 << 17, 'a')),
              StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST(RegexTranslationTest, Quotes) {
  EXPECT_EQ(QuoteForRegex("a.b é\n"), "a\\.b\\ é\\\n");
}

}  // namespace
}  // namespace moe::text
