#include "moe/text/tokenizer/pre_tokenizer.h"

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"

namespace moe::text {
namespace {

using ::moe::base::testing::IsOk;
using ::moe::base::testing::StatusIs;
using ::testing::ElementsAre;

std::vector<std::string> Words(std::vector<PreTokenizerStep> steps,
                               absl::string_view text, bool is_first = true) {
  RegexScratch scratch;
  std::vector<std::string> words;
  MOE_EXPECT_OK(
      PreTokenizer(std::move(steps))
          .ForEachWord(text, is_first, scratch, [&](absl::string_view word) {
            words.emplace_back(word);
          }));
  return words;
}

SplitStep Split(absl::string_view regex, SplitBehavior behavior,
                bool invert = false) {
  return {Pattern::FromRegex(regex).value(), behavior, invert};
}

// The example of the tokenizers package's documentation.
TEST(PreTokenizerTest, Behaviors) {
  constexpr char kText[] = "the-final--countdown";
  EXPECT_THAT(Words({Split("-", SplitBehavior::kRemoved)}, kText),
              ElementsAre("the", "final", "countdown"));
  EXPECT_THAT(Words({Split("-", SplitBehavior::kIsolated)}, kText),
              ElementsAre("the", "-", "final", "-", "-", "countdown"));
  EXPECT_THAT(Words({Split("-", SplitBehavior::kMergedWithPrevious)}, kText),
              ElementsAre("the-", "final-", "-", "countdown"));
  EXPECT_THAT(Words({Split("-", SplitBehavior::kMergedWithNext)}, kText),
              ElementsAre("the", "-final", "-", "-countdown"));
  EXPECT_THAT(Words({Split("-", SplitBehavior::kContiguous)}, kText),
              ElementsAre("the", "-", "final", "--", "countdown"));
  EXPECT_THAT(Words({Split("[a-z]+", SplitBehavior::kRemoved, true)}, kText),
              ElementsAre("the", "final", "countdown"));
}

TEST(PreTokenizerTest, Gpt2s) {
  EXPECT_THAT(
      Words({Split(kGpt2Regex, SplitBehavior::kIsolated)},
            "Hello  world's 12 ab!\n"),
      ElementsAre("Hello", " ", " world", "'s", " 12", " ab", "!", "\n"));
}

TEST(PreTokenizerTest, DigitsAndSpaces) {
  EXPECT_THAT(Words({DigitsStep{true}}, "a12\u2167"),
              ElementsAre("a", "1", "2", "\u2167"));
  EXPECT_THAT(Words({DigitsStep{false}}, "a12b"), ElementsAre("a", "12", "b"));
  EXPECT_THAT(Words({WhitespaceSplitStep{}}, " a\u3000 b"),
              ElementsAre("a", "b"));
  EXPECT_THAT(Words({PrefixSpaceStep{}, DigitsStep{true}}, "1a"),
              ElementsAre(" ", "1", "a"));
  EXPECT_THAT(Words({PrefixSpaceStep{}}, " a"), ElementsAre(" a"));
  EXPECT_THAT(Words({ByteAlphabetStep{}}, " é"), ElementsAre("\u0120Ã©"));
}

TEST(PreTokenizerTest, Metaspaces) {
  const auto words = [](PrependScheme scheme, bool split,
                        absl::string_view text, bool is_first) {
    return Words({MetaspaceStep{"\u2581", scheme, split}}, text, is_first);
  };
  EXPECT_THAT(words(PrependScheme::kAlways, true, "a  b ", false),
              ElementsAre("\u2581a", "\u2581", "\u2581b", "\u2581"));
  EXPECT_THAT(words(PrependScheme::kAlways, false, " a b", true),
              ElementsAre("\u2581a\u2581b"));
  EXPECT_THAT(words(PrependScheme::kFirst, true, "a b", true),
              ElementsAre("\u2581a", "\u2581b"));
  EXPECT_THAT(words(PrependScheme::kFirst, true, "a b", false),
              ElementsAre("a", "\u2581b"));
  EXPECT_THAT(words(PrependScheme::kNever, true, "a b", true),
              ElementsAre("a", "\u2581b"));
  EXPECT_THAT(Words({Split(",", SplitBehavior::kIsolated),
                     MetaspaceStep{"_", PrependScheme::kFirst, false}},
                    "a,b"),
              ElementsAre("_a", ",", "b"));
}

TEST(PreTokenizerTest, KnowsWhatPositionsMean) {
  const MetaspaceStep first = {"_", PrependScheme::kFirst, true};
  EXPECT_TRUE(PreTokenizer({first}).DependsOnPosition());
  EXPECT_FALSE(PreTokenizer({DigitsStep{true}}).DependsOnPosition());
  EXPECT_FALSE(PreTokenizer({DigitsStep{true}, first}).LosesPosition());
  EXPECT_TRUE(PreTokenizer({ByteAlphabetStep{}, first}).LosesPosition());
  EXPECT_TRUE(PreTokenizer({first, first}).LosesPosition());
}

TEST(PreTokenizerTest, AnErrorOfMatchingIsOurs) {
  for (const SplitBehavior behavior :
       {SplitBehavior::kIsolated, SplitBehavior::kRemoved}) {
    const PreTokenizer pre_tokenizer({Split("(a|a)*(a|a)*[bc]", behavior)});
    RegexScratch scratch;
    EXPECT_THAT(pre_tokenizer.ForEachWord(std::string(64, 'a'), true, scratch,
                                          [](absl::string_view) {}),
                StatusIs(absl::StatusCode::kResourceExhausted));
  }
}

}  // namespace
}  // namespace moe::text
