#include "moe/text/tokenizer/regex.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"

namespace moe {
namespace {

using ::moe::testing::IsOk;
using ::moe::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> All(absl::string_view pattern,
                             absl::string_view text) {
  const Regex regex = Regex::Create(pattern).value();
  RegexScratch scratch;
  RegexMatches matches(regex, text, scratch);
  std::vector<std::string> found;
  while (matches.Next()) {
    found.emplace_back(
        text.substr(matches.begin(), matches.end() - matches.begin()));
  }
  MOE_EXPECT_OK(matches.status());
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
  const Regex regex = Regex::Create("(a|a)*(a|a)*[bc]").value();
  const std::string text(64, 'a');
  RegexScratch scratch;
  RegexMatches matches(regex, text, scratch);
  EXPECT_FALSE(matches.Next());
  EXPECT_THAT(matches.status(), StatusIs(absl::StatusCode::kResourceExhausted,
                                         HasSubstr("at byte 0 of 64")));
  EXPECT_FALSE(matches.Next());
}

TEST(RegexTest, WhatPcre2RefusesIsMalformed) {
  EXPECT_THAT(Regex::Create("a**"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("a**")));
  EXPECT_THAT(Regex::Create(R"(\h)"),
              StatusIs(absl::StatusCode::kUnimplemented));
}

}  // namespace
}  // namespace moe
