// Renders a conversation by a Jinja template, and finds the assistant's texts
// in the result.
//
// A template may mark these texts itself with the tag generation, as
// transformers requires for its masks. With any other template, the
// conversation is rendered twice, the second time with a mark in place of each
// of the assistant's texts. The pieces between the marks must stand in the
// first rendering too, and between two of these pieces each text, with or
// without the white space at its ends. If they do not, the template is refused:
// it changes a text in another way, writes it twice, or depends on its content.

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

namespace moe::text {

struct RenderedChat {
  std::string text;
  // [begin, end) bytes of the text, in order.
  std::vector<std::pair<size_t, size_t>> spans;
  // Whether the template marks the spans, which are complete then. Otherwise
  // the end of the turn follows each span.
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
  // if the assistant's texts are not found. Thread-safe.
  absl::StatusOr<RenderedChat> Render(const Conversation& conversation) const;

 private:
  ChatRenderer(jinja::Template chat, jinja::Value::Dict variables)
      : template_(std::move(chat)), variables_(std::move(variables)) {}

  // InvalidArgument for a call of a tool that the template leaves out.
  absl::Status CheckCallsAreWritten(const std::vector<Turn>& turns,
                                    absl::string_view text) const;
  absl::StatusOr<jinja::Rendered> RenderTurns(
      const std::vector<Turn>& turns) const;

  jinja::Template template_;
  jinja::Value::Dict variables_;  // All but the messages.
};

}  // namespace moe::text

#endif  // MOE_TEXT_DATASET_RENDERED_CHAT_H_
