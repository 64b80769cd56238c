#include "moe/text/jinja/parser.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/text/jinja/ast.h"

namespace moe::text::jinja {
namespace {

using ::moe::base::testing::IsOk;
using ::moe::base::testing::StatusIs;
using ::testing::HasSubstr;

std::string Repeated(const char* text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

TEST(ParserTest, BuildsTheTree) {
  const Block block =
      ParseTemplate("{% for a, b in c if d %}{{ a.b }}{% else %}e{% endfor %}")
          .value();
  ASSERT_EQ(block.size(), 1);
  EXPECT_EQ(block[0]->kind, Statement::Kind::kFor);
  EXPECT_EQ(block[0]->targets.size(), 2);
  EXPECT_NE(block[0]->condition, nullptr);
  EXPECT_EQ(block[0]->body[0]->value->kind, Expression::Kind::kAttribute);
  EXPECT_EQ(block[0]->else_body[0]->text, "e");
}

TEST(ParserTest, RefusesByNameWithTheLine) {
  const auto refused = [](const char* text, const char* what) {
    EXPECT_THAT(ParseTemplate(text).status().ToString(), HasSubstr(what))
        << text;
  };
  refused("\n{% include 'a' %}", "line 2: the tag \"include\"");
  refused("{% for a in b recursive %}{% endfor %}", "recursive loop");
  refused("{% for a in b %}", "expected the tag else or endfor");
  refused("{% if a %}b{% else %}c{% else %}{% endif %}", "the tag \"else\"");
  refused("{% break %}", "the tag break is not in a loop");
  refused("{% endif %}", "the tag \"endif\"");
  refused("{{ a b }}", "expected }}, found \"b\"");
  refused("{{ }}", "expected an expression, found the end of the output");
  refused("{{ a if }}", "expected an expression");
  refused("{{ f(*a) }}", "arguments with * or **");
  refused("{{ f(a=1, 2) }}",
          "an argument without a name follows one with a name");
  refused("{{ 99999999999999999999 }}", "expected a number of 64 bits");
  refused("{{ a[] }}", "expected an index");
  refused("{% set 1 = 2 %}", "expected a name");
  refused("{% for a in b %}{% macro m() %}{% endmacro %}{% endfor %}",
          "a macro within a loop");
}

TEST(ParserTest, NestsNoDeeperThanTheLimit) {
  for (const char* text : {"(", "[", "-", "not ", "a(", "a[", "{'a':"}) {
    EXPECT_THAT(ParseTemplate(absl::StrCat("{{", Repeated(text, 100000))),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << text;
  }
  EXPECT_THAT(ParseTemplate(Repeated("{% if a %}", 1000)).status().ToString(),
              HasSubstr("nests deeper than 100"));
  EXPECT_THAT(ParseTemplate(absl::StrCat("{{ a", Repeated(" + a", 1000), "}}"))
                  .status()
                  .ToString(),
              HasSubstr("nests deeper than 100"));
  EXPECT_THAT(ParseTemplate(absl::StrCat("{{ a", Repeated("|b", 1000), "}}"))
                  .status()
                  .ToString(),
              HasSubstr("nests deeper than 100"));
  // A chain of elif does not nest.
  EXPECT_THAT(
      ParseTemplate(absl::StrCat("{% if a %}", Repeated("{% elif a %}", 1000),
                                 "{% endif %}"))
          .status(),
      IsOk());
}

}  // namespace
}  // namespace moe::text::jinja
