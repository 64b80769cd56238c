#include "moe/text/dataset/dataset_options.h"

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "moe/text/dataset/dataset_options.pb.h"
#include "moe/text/tokenizer/tokenizer.h"

namespace moe::text {

int64_t ModelMaxLength(const TokenizeOptions& options) {
  return options.has_model_max_length() ? options.model_max_length()
                                        : kDefaultModelMaxLength;
}

TextEnds TextEndsOf(const TokenizeOptions& options) {
  TextEnds ends;
  if (options.has_add_bos()) ends.add_bos = options.add_bos();
  if (options.has_add_eos()) ends.add_eos = options.add_eos();
  return ends;
}

int64_t MaxSequences(const BatchOptions& options) {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  if (!options.has_max_steps()) return kMax;
  if (options.max_steps() > kMax / options.batch_size()) return kMax;
  return options.max_steps() * options.batch_size();
}

std::string ChatTemplateName(TokenizeOptions::ChatTemplate chat_template) {
  return absl::AsciiStrToLower(
      TokenizeOptions::ChatTemplate_Name(chat_template));
}

std::vector<std::string> ChatTemplateNames() {
  std::vector<std::string> names;
  for (int i = 0; i < TokenizeOptions::ChatTemplate_ARRAYSIZE; ++i) {
    names.push_back(
        ChatTemplateName(static_cast<TokenizeOptions::ChatTemplate>(i)));
  }
  return names;
}

absl::StatusOr<TokenizeOptions::ChatTemplate> ParseChatTemplateName(
    absl::string_view name) {
  TokenizeOptions::ChatTemplate found;
  if (TokenizeOptions::ChatTemplate_Parse(absl::AsciiStrToUpper(name),
                                          &found)) {
    return found;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "chat_template: expected one of ",
      absl::StrJoin(ChatTemplateNames(), ", "), ", found \"", name, "\""));
}

}  // namespace moe::text
