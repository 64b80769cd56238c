#include "moe/text/jinja/template.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/base/random_access_file.h"
#include "moe/base/status_macros.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/text/jinja/value.h"

namespace moe::text::jinja {
namespace {

using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

absl::StatusOr<std::string> Render(const std::string& text,
                                   const Value::Dict& variables = {}) {
  MOE_ASSIGN_OR_RETURN(const Template parsed, Template::Parse(text));
  MOE_ASSIGN_OR_RETURN(Rendered rendered, parsed.Render(variables));
  return rendered.text;
}

// testdata/chat_templates/README.md says how the file was made.
TEST(TemplateTest, RendersAsTransformersDoes) {
  MOE_ASSERT_OK_AND_ASSIGN(
      const std::string file,
      base::ReadFile("testdata/chat_templates/jinja.jsonl", uint64_t{1} << 20));
  const std::vector<std::string> lines = absl::StrSplit(file, '\n');
  MOE_ASSERT_OK_AND_ASSIGN(const base::Json json, base::ParseJson(lines[0]));
  MOE_ASSERT_OK_AND_ASSIGN(const Value variables, Value::FromJson(json));
  int num_cases = 0;
  for (size_t i = 1; i < lines.size() && !lines[i].empty(); ++i) {
    MOE_ASSERT_OK_AND_ASSIGN(const base::Json pair, base::ParseJson(lines[i]));
    EXPECT_THAT(Render(pair[0].get<std::string>(), variables.dict()),
                IsOkAndHolds(pair[1].get<std::string>()))
        << lines[i];
    ++num_cases;
  }
  EXPECT_EQ(num_cases, 56);
}

TEST(TemplateTest, MarksWhatTheAssistantSays) {
  MOE_ASSERT_OK_AND_ASSIGN(
      const Template parsed,
      Template::Parse("a{% for i in [1, 2] %}{% generation %}<{{ i }}>"
                      "{% endgeneration %}, {% endfor %}"));
  EXPECT_TRUE(parsed.has_generation());
  MOE_ASSERT_OK_AND_ASSIGN(const Rendered rendered, parsed.Render({}));
  EXPECT_EQ(rendered.text, "a<1>, <2>, ");
  EXPECT_THAT(rendered.generated, ElementsAre(Pair(1, 4), Pair(6, 9)));
  EXPECT_FALSE(Template::Parse("generation").value().has_generation());
}

TEST(TemplateTest, RefusesByNameWithTheLine) {
  const auto refused = [](const char* text, const char* what) {
    EXPECT_THAT(Render(text).status().ToString(), HasSubstr(what)) << text;
  };
  refused("\n{{ raise_exception('Only two turns.') }}",
          "line 2: the template refuses the conversation: Only two turns.");
  refused("{{ strftime_now('%d') }}", "strftime_now returns today's date");
  refused("{{ 2.0 ** 0.5 }}", "a power that is no whole number");
  refused("{{ 2 ** -1 }}", "a power that is no whole number");
  refused("{{ a.b }}", "line 1: \"a\" is undefined");
  refused("{{ a.b.c() }}", "\"a\" is undefined");
  refused("{{ a + 'b' }}", "\"a\" is undefined");
  refused("{{ 'b' + none }}", "the operator + does not take a text and none");
  refused("{{ 'a' | frobnicate }}", "the filter \"frobnicate\"");
  refused("{{ 'a' is frobnicated }}", "the test \"frobnicated\"");
  refused("{{ 'a'.encode() }}", "the method \"encode\" of a text");
  refused("{{ [].append(1) }}", "methods that change a value are not allowed");
  refused("{{ 'a'.upper }}", "the method upper of a text without a call");
  refused("{{ cycler('a') }}", "a call of \"cycler\", which is undefined");
  refused("{{ 'a' | trim(b=1) }}", "trim: there is no argument \"b\"");
  refused("{{ 'a' | trim('a', chars='b') }}", "twice");
  refused("{{ {1: 2} }}", "a mapping's key: expected a text, found a number");
  refused("{{ 1 / 0 }}{{ 1 // 0 }}", "division by zero");
  refused("{{ 9223372036854775807 + 1 }}", "beyond 64 bits");
  refused("{{ 1 < 'a' }}", "cannot compare a number with a text");
  refused("{% for i in 1 %}{% endfor %}",
          "a list or a mapping, found a number");
  refused("{% for a, b in [[1]] %}{% endfor %}", "expected 2 values, found 1");
  refused("{% set a = {} %}{% set a.b = 1 %}",
          "expected a namespace to set an attribute of, found a mapping");
  refused("{% set n = namespace() %}{% set n.n = n %}", "a namespace within");
  refused("{% set n = namespace() %}{{ [n] }}", "holds a namespace");
  refused(
      "{% macro m() %}{% generation %}a{% endgeneration %}{% endmacro %}"
      "{{ m() }}",
      "the tag generation within a macro");
  refused("{{ '%x' % 1 }}", "takes %s, %d and %%");
  refused("\xff", "not UTF-8");
}

TEST(TemplateTest, HostileTemplatesEndSoon) {
  const auto stopped = [](const char* text) {
    EXPECT_THAT(Render(text), StatusIs(absl::StatusCode::kResourceExhausted))
        << text;
  };
  stopped(
      "{% for i in range(99999) %}{% for j in range(99999) %}"
      "{% endfor %}{% endfor %}");
  stopped("{{ range(100001) }}");
  stopped("{{ 'a' * 1000000000000 }}");
  stopped("{{ [1] * 1000000000000 }}");
  stopped(
      "{% set ns = namespace(s='a') %}{% for i in range(99) %}"
      "{% set ns.s = ns.s ~ ns.s %}{% endfor %}");
  stopped(
      "{% set ns = namespace(s='aaaaaaaa') %}{% for i in range(99) %}"
      "{% set ns.s = ns.s.replace('a', ns.s) %}{% endfor %}");
  stopped("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}");
  stopped("{% for i in range(99999) %}{{ 'a' * 10000 }}{% endfor %}");
  EXPECT_THAT(Render("{% set ns = namespace(s=[]) %}{% for i in range(99) %}"
                     "{% set ns.s = [ns.s] %}{% endfor %}"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("nests deeper than 80")));
  EXPECT_THAT(Template::Parse(std::string(kMaxTemplateBytes + 1, 'a')),
              StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST(TemplateTest, ADateIsUndefinedWhereTheTemplateAsks) {
  EXPECT_THAT(Render("{% if strftime_now is defined %}{{ strftime_now('%d') }}"
                     "{% else %}26 Jul 2024{% endif %}"),
              IsOkAndHolds("26 Jul 2024"));
}

}  // namespace
}  // namespace moe::text::jinja
