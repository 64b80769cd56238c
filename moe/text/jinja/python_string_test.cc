#include "moe/text/jinja/python_string.h"

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"

namespace moe::text::jinja {
namespace {

using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(StripTest, TakesWhatPythonTakes) {
  EXPECT_EQ(Strip("", Ends::kBoth), "");
  EXPECT_EQ(Strip(" \t\r\n\v\f", Ends::kBoth), "");
  EXPECT_EQ(Strip(" a b\n", Ends::kLeft), "a b\n");
  EXPECT_EQ(Strip(" a b\n", Ends::kRight), " a b");
  EXPECT_EQ(Strip("\xc2\xa0"
                  "a\xe2\x80\xa8",
                  Ends::kBoth),
            "a");
  // U+200B is no white space.
  EXPECT_EQ(Strip("\xe2\x80\x8b", Ends::kBoth), "\xe2\x80\x8b");
  EXPECT_EQ(Strip("xyaxy", Ends::kBoth, "yx"), "a");
}

TEST(SplitTest, SplitsAtWhiteSpaceAndAtTexts) {
  EXPECT_THAT(Split(" a  b ", std::nullopt, -1), ElementsAre("a", "b"));
  EXPECT_THAT(Split(" a  b  c ", std::nullopt, 1), ElementsAre("a", "b  c "));
  EXPECT_THAT(Split("", std::nullopt, -1), IsEmpty());
  EXPECT_THAT(Split("a,,b", ",", -1), ElementsAre("a", "", "b"));
  EXPECT_THAT(Split("", ",", -1), ElementsAre(""));
  EXPECT_THAT(SplitLines("a\r\nb\n\nc\n"), ElementsAre("a", "b", "", "c"));
}

TEST(ReplaceTest, StopsAtTheLimit) {
  EXPECT_EQ(Replace("aaa", "a", "bb", 2, 100), "bbbba");
  EXPECT_EQ(Replace("\xc3\xab"
                    "b",
                    "", "-", -1, 100),
            "-\xc3\xab-b-");
  EXPECT_EQ(Replace("aaa", "a", "bb", -1, 5), std::nullopt);
}

TEST(CaseTest, ChangesLetters) {
  EXPECT_EQ(Upper("Zo\xc3\xab"), "ZO\xc3\x8b");
  EXPECT_EQ(Lower("ZO\xc3\x8b"), "zo\xc3\xab");
  EXPECT_EQ(Title("it's a DOG"), "It'S A Dog");
  EXPECT_EQ(Capitalize("aB"), "Ab");
}

TEST(UnescapeTest, FollowsPython) {
  EXPECT_THAT(Unescape(R"(a\n\t\\\x41\u00eb\U0001F642\q)"),
              IsOkAndHolds("a\n\t\\A\xc3\xab\xf0\x9f\x99\x82\\q"));
  for (const char* text :
       {R"(\x4)", R"(\ud800)", R"(\U00110000)", R"(\N{A})"}) {
    EXPECT_THAT(Unescape(text), StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

TEST(QuoteTest, QuotesAsPythonAndJsonDo) {
  EXPECT_EQ(PythonQuoted("it's\n"), "\"it's\\n\"");
  EXPECT_EQ(PythonQuoted("'\""), "'\\'\"'");
  EXPECT_EQ(JsonQuoted("\"\n\x01\xc3\xab", false),
            "\"\\\"\\n\\u0001\xc3\xab\"");
  EXPECT_EQ(JsonQuoted("\xc3\xab\xf0\x9f\x99\x82", true),
            "\"\\u00eb\\ud83d\\ude42\"");
}

TEST(CountCharactersTest, CountsCodePoints) {
  EXPECT_EQ(CountCharacters("Zo\xc3\xab"), 3);
  EXPECT_THAT(Characters("o\xc3\xab"), ElementsAre("o", "\xc3\xab"));
}

}  // namespace
}  // namespace moe::text::jinja
