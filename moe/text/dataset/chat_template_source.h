// The chat template that a checkpoint brings along.

#ifndef MOE_TEXT_DATASET_CHAT_TEMPLATE_SOURCE_H_
#define MOE_TEXT_DATASET_CHAT_TEMPLATE_SOURCE_H_

#include <map>
#include <optional>
#include <string>

#include "absl/status/statusor.h"

namespace moe::text {

struct ChatTemplateSource {
  // In Jinja; nothing where the checkpoint has none.
  std::optional<std::string> text;
  // What transformers passes to it besides the messages: "bos_token" and the
  // other special tokens that have names, as texts.
  std::map<std::string, std::string> special_tokens;
};

// The template of a checkpoint's directory, as transformers finds it:
// chat_template.jinja, or else "chat_template" of tokenizer_config.json, which
// is a text, or a list of named texts of which "default" is taken.
// InvalidArgument, with the path, for malformed files, and for a list without a
// "default".
absl::StatusOr<ChatTemplateSource> LoadChatTemplate(
    const std::string& directory);

}  // namespace moe::text

#endif  // MOE_TEXT_DATASET_CHAT_TEMPLATE_SOURCE_H_
