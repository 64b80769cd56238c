// A conversation written down by a template in Jinja, and where in it the
// assistant's texts are.
//
// A template marks them itself with the tags generation, as transformers wants
// it for its masks. Of any other, the conversation is rendered twice, the
// second time with a mark in place of each of the assistant's texts: what
// stands between the marks has to stand in the first, too, with each text, or
// the text without the white space at its ends, between two of these pieces. A
// template for which that does not hold is refused, never guessed at: one that
// changes a text in another way, or writes it twice, or asks what is in it.

#ifndef MOE_TEXT_DATASET_RENDERED_CHAT_H_
#define MOE_TEXT_DATASET_RENDERED_CHAT_H_

#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/text/dataset/record.h"
#include "moe/text/jinja/template.h"
#include "moe/text/jinja/value.h"

namespace moe {

struct RenderedChat {
  std::string text;
  // [begin, end) bytes of the text, in order.
  std::vector<std::pair<size_t, size_t>> spans;
  // Whether the template marks the spans: then they are whole. Otherwise what
  // ends a turn stands behind each.
  bool is_marked = false;
};

class ChatRenderer {
 public:
  // Errors of jinja::Template::Parse. `special_tokens`: see ChatTemplateSource.
  static absl::StatusOr<ChatRenderer> Create(
      absl::string_view text,
      const std::map<std::string, std::string>& special_tokens);

  // As apply_chat_template(messages, add_generation_prompt=False) of
  // transformers 4.57. Errors of jinja::Template::Render, and InvalidArgument
  // where the assistant's texts are not found. Thread-safe.
  absl::StatusOr<RenderedChat> Render(const Conversation& conversation) const;

 private:
  ChatRenderer(jinja::Template chat, jinja::Value::Dict variables)
      : template_(std::move(chat)), variables_(std::move(variables)) {}

  // InvalidArgument for a call of a tool that the template passes over.
  absl::Status CheckCallsAreWritten(const std::vector<Turn>& turns,
                                    absl::string_view text) const;
  absl::StatusOr<jinja::Rendered> RenderTurns(
      const std::vector<Turn>& turns) const;

  jinja::Template template_;
  jinja::Value::Dict variables_;  // All but the messages.
};

}  // namespace moe

#endif  // MOE_TEXT_DATASET_RENDERED_CHAT_H_
