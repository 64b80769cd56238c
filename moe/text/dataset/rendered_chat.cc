#include "moe/text/dataset/rendered_chat.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/json.h"
#include "moe/base/status_macros.h"
#include "moe/text/dataset/record.h"
#include "moe/text/jinja/python_string.h"
#include "moe/text/jinja/template.h"
#include "moe/text/jinja/value.h"

namespace moe::text {
namespace {

using jinja::Value;

absl::StatusOr<Value> MessageOf(const Turn& turn) {
  Value::Dict message;
  message.emplace_back("role", Value(RoleName(turn.role)));
  if (turn.tool_calls.empty()) {
    message.emplace_back("content", Value(turn.text));
    return Value::FromDict(std::move(message));
  }
  message.emplace_back(
      "content", turn.text.empty() ? Value(Value::None{}) : Value(turn.text));
  MOE_ASSIGN_OR_RETURN(const base::Json calls,
                       base::ParseJson(turn.tool_calls));
  MOE_ASSIGN_OR_RETURN(Value value, Value::FromJson(calls));
  message.emplace_back("tool_calls", std::move(value));
  return Value::FromDict(std::move(message));
}

// Names the first turn of a tool, for which many templates have no rule; empty
// if there is none.
std::string AboutTools(const std::vector<Turn>& turns) {
  for (size_t i = 0; i < turns.size(); ++i) {
    const Turn& turn = turns[i];
    if (turn.role == Role::kTool) {
      return absl::StrCat("; turn ", i, " is a tool's answer (role tool)");
    }
    if (!turn.tool_calls.empty()) {
      return absl::StrCat("; turn ", i,
                          " is a call of a tool (role assistant, content ",
                          turn.text.empty() ? "null" : "a text", ")");
    }
  }
  return "";
}

// A text that no turn contains.
std::string Mark(size_t turn, const std::vector<Turn>& turns) {
  for (uint64_t salt = 0;; ++salt) {
    std::string mark = absl::StrCat("mark", salt, "of", turn, "turn");
    bool is_new = true;
    for (const Turn& other : turns) {
      is_new = is_new && !absl::StrContains(other.text, mark);
    }
    if (is_new) return mark;
  }
}

absl::Status NotFound(size_t turn) {
  return absl::InvalidArgumentError(absl::StrCat(
      "turn ", turn,
      " (role assistant): the chat template does not write the text as it is, "
      "so its tokens cannot be found; mark the text with {% generation %} in "
      "the template, or name another template with --chat_template"));
}

// Finds the assistant's texts in `text`, given a rendering with marks in their
// places.
class SpanFinder {
 public:
  SpanFinder(absl::string_view text, absl::string_view marked)
      : text_(text), marked_(marked) {}

  absl::Status Find(size_t turn, absl::string_view content,
                    absl::string_view mark, absl::string_view next_mark) {
    const size_t at = marked_.find(mark);
    if (at == absl::string_view::npos ||
        text_.substr(position_, at) != marked_.substr(0, at)) {
      return NotFound(turn);
    }
    position_ += at;
    marked_.remove_prefix(at + mark.size());
    if (absl::StrContains(marked_, mark)) return NotFound(turn);
    const absl::string_view piece =
        next_mark.empty() ? marked_
                          : marked_.substr(0, marked_.find(next_mark));
    for (const absl::string_view form :
         {content, jinja::Strip(content, jinja::Ends::kBoth),
          jinja::Strip(content, jinja::Ends::kLeft),
          jinja::Strip(content, jinja::Ends::kRight)}) {
      const absl::string_view rest = text_.substr(position_);
      if (!absl::StartsWith(rest, form) ||
          !absl::StartsWith(rest.substr(form.size()), piece) ||
          (next_mark.empty() && rest.size() != form.size() + piece.size())) {
        continue;
      }
      spans_.emplace_back(position_, position_ + form.size());
      position_ += form.size();
      return absl::OkStatus();
    }
    return NotFound(turn);
  }

  std::vector<std::pair<size_t, size_t>> TakeSpans() {
    return std::move(spans_);
  }

 private:
  absl::string_view text_;
  absl::string_view marked_;  // The rest after the last mark found.
  size_t position_ = 0;
  std::vector<std::pair<size_t, size_t>> spans_;
};

}  // namespace

absl::StatusOr<ChatRenderer> ChatRenderer::Create(
    absl::string_view text,
    const std::map<std::string, std::string>& special_tokens) {
  MOE_ASSIGN_OR_RETURN(jinja::Template chat, jinja::Template::Parse(text));
  Value::Dict variables;
  for (const auto& [name, token] : special_tokens) {
    variables.emplace_back(name, Value(token));
  }
  variables.emplace_back("tools", Value(Value::None{}));
  variables.emplace_back("documents", Value(Value::None{}));
  variables.emplace_back("add_generation_prompt", Value(false));
  return ChatRenderer(std::move(chat), std::move(variables));
}

absl::StatusOr<jinja::Rendered> ChatRenderer::RenderTurns(
    const std::vector<Turn>& turns) const {
  Value::List messages;
  size_t num_bytes = 0;
  for (const Turn& turn : turns) {
    MOE_ASSIGN_OR_RETURN(Value message, MessageOf(turn));
    messages.push_back(std::move(message));
    num_bytes += turn.text.size() + turn.tool_calls.size();
  }
  Value::Dict variables = variables_;
  MOE_ASSIGN_OR_RETURN(Value list, Value::FromList(std::move(messages)));
  variables.emplace_back("messages", std::move(list));
  absl::StatusOr<jinja::Rendered> rendered =
      template_.Render(variables, num_bytes);
  if (rendered.ok()) return rendered;
  return absl::Status(
      rendered.status().code(),
      absl::StrCat("the chat template: ", rendered.status().message(),
                   AboutTools(turns)));
}

absl::Status ChatRenderer::CheckCallsAreWritten(const std::vector<Turn>& turns,
                                                absl::string_view text) const {
  for (size_t i = 0; i < turns.size(); ++i) {
    if (turns[i].tool_calls.empty() || turns[i].text.empty()) continue;
    std::vector<Turn> without = turns;
    without[i].tool_calls.clear();
    const absl::StatusOr<jinja::Rendered> rendered = RenderTurns(without);
    if (!rendered.ok() || rendered->text != text) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "turn ", i,
        " calls a tool (role assistant, tool_calls), and the chat template "
        "leaves calls out; leave such conversations out, with "
        "--skip_bad_lines, or name another template with --chat_template"));
  }
  return absl::OkStatus();
}

absl::StatusOr<RenderedChat> ChatRenderer::Render(
    const Conversation& conversation) const {
  const std::vector<Turn>& turns = conversation.turns;
  MOE_ASSIGN_OR_RETURN(jinja::Rendered rendered, RenderTurns(turns));
  RenderedChat chat;
  chat.text = std::move(rendered.text);
  MOE_RETURN_IF_ERROR(CheckCallsAreWritten(turns, chat.text));
  if (template_.has_generation()) {
    chat.is_marked = true;
    chat.spans = std::move(rendered.generated);
    return chat;
  }
  std::vector<Turn> marked = turns;
  std::vector<size_t> answers;
  std::vector<std::string> marks;
  for (size_t i = 0; i < turns.size(); ++i) {
    if (turns[i].role != Role::kAssistant) continue;
    // Templates write a call of a tool by other rules.
    if (!turns[i].tool_calls.empty() && turns[i].text.empty()) continue;
    answers.push_back(i);
    marks.push_back(Mark(i, turns));
    marked[i].text = marks.back();
  }
  MOE_ASSIGN_OR_RETURN(const jinja::Rendered with_marks, RenderTurns(marked));
  SpanFinder finder(chat.text, with_marks.text);
  for (size_t k = 0; k < answers.size(); ++k) {
    const absl::string_view next =
        k + 1 < marks.size() ? absl::string_view(marks[k + 1]) : "";
    MOE_RETURN_IF_ERROR(
        finder.Find(answers[k], turns[answers[k]].text, marks[k], next));
  }
  chat.spans = finder.TakeSpans();
  return chat;
}

}  // namespace moe::text
