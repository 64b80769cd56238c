#include "moe/text/tokenizer/pattern.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"

namespace moe::text {
namespace {

using ::moe::base::testing::IsOk;
using ::moe::base::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> Spans(const Pattern& pattern, absl::string_view text) {
  RegexScratch scratch;
  std::vector<std::string> spans;
  MOE_EXPECT_OK(
      pattern.ForEachMatch(text, scratch, [&](size_t begin, size_t end) {
        spans.push_back(absl::StrCat(begin, "-", end));
        return absl::OkStatus();
      }));
  return spans;
}

TEST(PatternTest, StringsDoNotOverlap) {
  const Pattern pattern = Pattern::FromString("aa").value();
  EXPECT_EQ(pattern.literal(), "aa");
  EXPECT_THAT(Spans(pattern, "aaa.aa"), ElementsAre("0-2", "4-6"));
  EXPECT_THAT(Spans(pattern, ""), IsEmpty());
}

TEST(PatternTest, AnEmptyStringIsBetweenAllCharacters) {
  const Pattern pattern = Pattern::FromString("").value();
  EXPECT_THAT(Spans(pattern, "aé"), ElementsAre("0-0", "1-1", "3-3"));
  EXPECT_THAT(Spans(pattern, ""), IsEmpty());
}

TEST(PatternTest, RegularExpressions) {
  const Pattern pattern = Pattern::FromRegex("a+").value();
  EXPECT_EQ(pattern.literal(), "");
  EXPECT_THAT(Spans(pattern, "baab"), ElementsAre("1-3"));
  EXPECT_THAT(Spans(Pattern::FromPcre2(R"(\d)").value(), "a1"),
              ElementsAre("1-2"));
  EXPECT_THAT(Pattern::FromRegex("(?i)a"),
              StatusIs(absl::StatusCode::kUnimplemented));
}

TEST(PatternTest, AnErrorEndsIt) {
  RegexScratch scratch;
  for (const auto& pattern :
       {Pattern::FromString("a").value(), Pattern::FromRegex("a").value()}) {
    int calls = 0;
    EXPECT_THAT(pattern.ForEachMatch("aaa", scratch,
                                     [&](size_t, size_t) {
                                       ++calls;
                                       return absl::AbortedError("stop");
                                     }),
                StatusIs(absl::StatusCode::kAborted));
    EXPECT_EQ(calls, 1);
  }
}

std::vector<std::string> All(absl::string_view pattern,
                             absl::string_view text) {
  RegexScratch scratch;
  std::vector<std::string> found;
  MOE_EXPECT_OK(Pattern::FromRegex(pattern)->ForEachMatch(
      text, scratch, [&](size_t begin, size_t end) {
        found.emplace_back(text.substr(begin, end - begin));
        return absl::OkStatus();
      }));
  return found;
}

TEST(RegexTest, FindsMatchesFromTheLeft) {
  EXPECT_THAT(All(R"(\p{L}+|\s)", "ab é1 \u180E"),
              ElementsAre("ab", " ", "é", " "));
  EXPECT_THAT(All("x", "abc"), IsEmpty());
  EXPECT_THAT(All("a", ""), IsEmpty());
}

TEST(RegexTest, FoldsAsOnigurumaDoes) {
  EXPECT_THAT(All("(?i:'s|k)", "'S 's '\u017F \u212A"),
              ElementsAre("'S", "'s", "'\u017F", "\u212A"));
}

TEST(RegexTest, WordsAreOnigurumas) {
  EXPECT_THAT(All(R"(\w)", "a_1\u00B2\u24B6\u0301-\u2074"),
              ElementsAre("a", "_", "1", "\u00B2", "\u24B6", "\u0301"));
  EXPECT_THAT(All(R"(\b.)", "ab cd"), ElementsAre("a", " ", "c"));
}

TEST(RegexTest, LinesAreRubys) {
  EXPECT_THAT(All("^.", "ab\nc\n"), ElementsAre("a", "c"));
  EXPECT_THAT(All(".$", "ab\nc"), ElementsAre("b", "c"));
  EXPECT_THAT(All(R"(\A.)", "ab\nc"), ElementsAre("a"));
}

TEST(RegexTest, EmptyMatchesDoNotTouchOthers) {
  EXPECT_THAT(All("x*", "axb"), ElementsAre("", "x", ""));
  EXPECT_THAT(All("", "é1"), ElementsAre("", "", ""));
}

TEST(RegexTest, ALongRunIsLinear) {
  const std::string spaces(1 << 20, ' ');
  EXPECT_THAT(All(R"(\s*[\r\n]+|\s+(?!\S)|\s+)", spaces), ElementsAre(spaces));
  const std::string letters(1 << 20, 'a');
  EXPECT_THAT(All(R"([^\r\n\p{L}\p{N}]?\p{L}+)", letters),
              ElementsAre(letters));
}

TEST(RegexTest, ALimitIsAnError) {
  // Takes 2^n steps to find nothing.
  const Pattern pattern = Pattern::FromRegex("(a|a)*(a|a)*[bc]").value();
  const std::string text(64, 'a');
  RegexScratch scratch;
  int calls = 0;
  EXPECT_THAT(pattern.ForEachMatch(text, scratch,
                                   [&](size_t, size_t) {
                                     ++calls;
                                     return absl::OkStatus();
                                   }),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("at byte 0 of 64")));
  EXPECT_EQ(calls, 0);
}

TEST(RegexTest, WhatPcre2RefusesIsMalformed) {
  EXPECT_THAT(Pattern::FromRegex("a**"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("a**")));
  EXPECT_THAT(Pattern::FromRegex(R"(\h)"),
              StatusIs(absl::StatusCode::kUnimplemented));
}

}  // namespace
}  // namespace moe::text
