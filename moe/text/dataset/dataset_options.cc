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
#include "moe/base/status_macros.h"
#include "moe/text/dataset/dataset_options.pb.h"
#include "moe/text/tokenizer/tokenizer.h"

namespace moe {
namespace {

absl::Status CheckAtLeast(absl::string_view field, int64_t value, int64_t min) {
  if (value >= min) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, " is ", value, "; wanted is ", min, " or more"));
}

}  // namespace

absl::Status ValidateTokenizeOptions(const TokenizeOptions& options) {
  if (!TokenizeOptions::ChatTemplate_IsValid(options.chat_template())) {
    return absl::InvalidArgumentError(
        absl::StrCat("chat_template is ", options.chat_template(),
                     "; wanted is a ChatTemplate"));
  }
  return CheckAtLeast("model_max_length", ModelMaxLength(options), 1);
}

absl::Status ValidateBatchOptions(const BatchOptions& options) {
  MOE_RETURN_IF_ERROR(CheckAtLeast("seed", options.seed(), 0));
  if (options.has_max_steps()) {
    MOE_RETURN_IF_ERROR(CheckAtLeast("max_steps", options.max_steps(), 1));
  }
  return CheckAtLeast("batch_size", BatchSize(options), 1);
}

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

int64_t BatchSize(const BatchOptions& options) {
  return options.has_batch_size() ? options.batch_size() : kDefaultBatchSize;
}

int64_t MaxSequences(const BatchOptions& options) {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  if (!options.has_max_steps()) return kMax;
  if (options.max_steps() > kMax / BatchSize(options)) return kMax;
  return options.max_steps() * BatchSize(options);
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
  return absl::InvalidArgumentError(
      absl::StrCat("the chat template is \"", name, "\"; wanted is one of ",
                   absl::StrJoin(ChatTemplateNames(), ", ")));
}

}  // namespace moe
