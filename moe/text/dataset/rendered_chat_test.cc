#include "moe/text/dataset/rendered_chat.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/text/dataset/record.h"

namespace moe::text {
namespace {

using ::moe::base::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

absl::StatusOr<RenderedChat> Render(absl::string_view text,
                                    const Conversation& conversation) {
  return ChatRenderer::Create(text, {{"eos_token", "</s>"}})
      .value()
      .Render(conversation);
}

std::vector<std::string> Spans(const RenderedChat& chat) {
  std::vector<std::string> spans;
  for (const auto& [begin, end] : chat.spans) {
    spans.push_back(chat.text.substr(begin, end - begin));
  }
  return spans;
}

const Conversation& Chat() {
  static const auto& chat = *new Conversation{{{Role::kSystem, "a"},
                                               {Role::kUser, "b"},
                                               {Role::kAssistant, " b\n"},
                                               {Role::kUser, "b"},
                                               {Role::kAssistant, "a"}}};
  return chat;
}

TEST(RenderedChatTest, FindsTheAssistantsTexts) {
  MOE_ASSERT_OK_AND_ASSIGN(
      const RenderedChat chat,
      Render(
          "{% for m in messages %}{{ m.role }}:{{ m.content }}{{ eos_token }}"
          "{% endfor %}",
          Chat()));
  EXPECT_EQ(chat.text,
            "system:a</s>user:b</s>assistant: b\n</s>user:b</s>assistant:a"
            "</s>");
  EXPECT_FALSE(chat.is_marked);
  EXPECT_THAT(Spans(chat), ElementsAre(" b\n", "a"));
}

TEST(RenderedChatTest, FindsTextsThatAreTrimmed) {
  MOE_ASSERT_OK_AND_ASSIGN(
      const RenderedChat chat,
      Render("{% for m in messages %}[{{ m.content | trim }}]{% endfor %}",
             Chat()));
  EXPECT_EQ(chat.text, "[a][b][b][b][a]");
  EXPECT_THAT(Spans(chat), ElementsAre("b", "a"));
  EXPECT_EQ(chat.spans[0].first, 7);
}

TEST(RenderedChatTest, AnEmptyTextHasAPlace) {
  MOE_ASSERT_OK_AND_ASSIGN(
      const RenderedChat chat,
      Render("{% for m in messages %}[{{ m.content | trim }}]{% endfor %}",
             {{{Role::kUser, "a"},
               {Role::kAssistant, ""},
               {Role::kAssistant, " "}}}));
  EXPECT_EQ(chat.text, "[a][][]");
  EXPECT_THAT(chat.spans, ElementsAre(Pair(4, 4), Pair(6, 6)));
}

TEST(RenderedChatTest, TakesWhatTheTemplateMarks) {
  MOE_ASSERT_OK_AND_ASSIGN(
      const RenderedChat chat,
      Render("{% for m in messages %}{% if m.role == 'assistant' %}"
             "{% generation %}<{{ m.content | upper }}>{% endgeneration %}"
             "{% endif %}{% endfor %}",
             Chat()));
  EXPECT_TRUE(chat.is_marked);
  EXPECT_THAT(Spans(chat), ElementsAre("< B\n>", "<A>"));
}

TEST(RenderedChatTest, NeverGuesses) {
  for (const char* text :
       {"{% for m in messages %}{{ m.content | upper }}{% endfor %}",
        "{% for m in messages %}{{ m.content }}{{ m.content }}{% endfor %}",
        "{% for m in messages %}{{ m.content[:1] }}{% endfor %}",
        "{% for m in messages %}{% if m.role == 'user' %}{{ m.content }}"
        "{% endif %}{% endfor %}",
        "{% for m in messages %}{% if 'a' in m.content %}x{% endif %}"
        "{{ m.content }}{% endfor %}"}) {
    EXPECT_THAT(Render(text, Chat()).status(),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("(role assistant): the chat template does "
                                   "not write the text as it is")))
        << text;
  }
}

TEST(RenderedChatTest, PassesToolsOn) {
  const Conversation chat{
      {{Role::kAssistant, "", R"([{"function": {"name": "w"}}])"},
       {Role::kTool, "sun", ""},
       {Role::kAssistant, "Sunny.", ""}}};
  MOE_ASSERT_OK_AND_ASSIGN(
      const RenderedChat rendered,
      Render("{% for m in messages %}{% if m.tool_calls %}"
             "{{ m.tool_calls[0].function | tojson }}{% else %}"
             "{{ m.role + m.content }}{% endif %}{% endfor %}",
             chat));
  EXPECT_EQ(rendered.text, "{\"name\": \"w\"}toolsunassistantSunny.");
  EXPECT_THAT(Spans(rendered), ElementsAre("Sunny."));
}

TEST(RenderedChatTest, NamesTheTurnOfAToolThatATemplateDoesNotTake) {
  const Conversation chat{{{Role::kUser, "a", ""},
                           {Role::kAssistant, "", "[{}]"},
                           {Role::kAssistant, "b", ""}}};
  EXPECT_THAT(
      Render("{% for m in messages %}{{ 'x' + m.content }}{% endfor %}", chat)
          .status(),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("; turn 1 is a call of a tool (role "
                         "assistant, content null)")));
}

TEST(RenderedChatTest, NoCallOfAToolIsLeftOut) {
  EXPECT_THAT(
      Render("{% for m in messages %}{{ m.content }}{% endfor %}",
             {{{Role::kAssistant, "a", "[{}]"}}})
          .status(),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("turn 0 calls a tool (role assistant, tool_calls), "
                         "and the chat template leaves calls out")));
}

TEST(RenderedChatTest, SaysWhatTheTemplateSays) {
  EXPECT_THAT(
      Render("{{ raise_exception('no system turn') }}", Chat()).status(),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("the template refuses the conversation: no "
                         "system turn")));
}

}  // namespace
}  // namespace moe::text
