#include "moe/text/jinja/lexer.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"

namespace moe::text::jinja {
namespace {

using ::moe::base::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> Texts(const char* text) {
  std::vector<std::string> texts;
  const std::vector<Token> tokens = Lex(text).value();
  for (const Token& token : tokens) texts.push_back(token.text);
  return texts;
}

TEST(LexerTest, CutsTagsIntoTokens) {
  EXPECT_THAT(
      Texts("a{{ b['c'] ~ 1.5 }}d"),
      ElementsAre("a", "", "b", "[", "c", "]", "~", "1.5", "", "d", ""));
  // The braces of a mapping do not end the tag.
  EXPECT_THAT(Texts("{{{'a': {}}}}"),
              ElementsAre("", "{", "a", ":", "{", "}", "}", "", ""));
}

TEST(LexerTest, TakesWhiteSpaceAwayAsJinjaDoes) {
  EXPECT_THAT(Texts("a\n  {% b %}\n c"),
              ElementsAre("a\n", "", "b", "", " c", ""));
  EXPECT_THAT(Texts("a\n  {%- b -%}\n c"),
              ElementsAre("a", "", "b", "", "c", ""));
  EXPECT_THAT(Texts("  {%+ b +%}\nc"),
              ElementsAre("  ", "", "b", "", "\nc", ""));
  EXPECT_THAT(Texts("a {% b %} c\r\n"),
              ElementsAre("a ", "", "b", "", " c", ""));
  EXPECT_THAT(Texts("a {#- b -#} c"), ElementsAre("a", "c", ""));
  EXPECT_THAT(Texts("{% raw %} {{ {% endraw %}b"),
              ElementsAre(" {{ ", "b", ""));
}

TEST(LexerTest, KnowsTheLines) {
  const std::vector<Token> tokens = Lex("a\n{{ b\n}}").value();
  EXPECT_EQ(tokens[0].line, 1);
  EXPECT_EQ(tokens[2].text, "b");
  EXPECT_EQ(tokens[2].line, 2);
}

TEST(LexerTest, RefusesWhatHasNoEnd) {
  const auto refused = [](const char* text, const char* what) {
    EXPECT_THAT(Lex(text),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(what)));
  };
  refused("a\n{{ b", "line 2: the tag {{ has no end");
  refused("{% b", "the tag {% has no end");
  refused("{# b", "the comment {# has no end");
  refused("{% raw %}b", "the tag raw has no endraw");
  refused("{{ 'b }}", "a text in quotes has no end");
  refused("{{ b) }}", "closes nothing");
  refused("{{ ? }}", "\"?\" begins no token");
  // The second quotation mark ends in the middle of the first four bytes.
  refused("{{ \u201C\u201D }}", "\"\u201C\" begins no token");
  refused("{{ 0x1 }}", "the number 0x");
  refused("{{ '\\x4' }}", "line 1: the escape");
}

}  // namespace
}  // namespace moe::text::jinja
