#include "moe/text/dataset/dataset_options.h"

#include <array>
#include <cstdint>
#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/status_macros.h"
#include "moe/text/dataset/dataset_options.pb.h"

namespace moe {
namespace {

constexpr std::array<
    std::pair<TokenizeOptions::ChatTemplate, absl::string_view>, 4>
    kTemplateNames = {{{TokenizeOptions::AUTO, "auto"},
                       {TokenizeOptions::LLAMA3, "llama3"},
                       {TokenizeOptions::CHATML, "chatml"},
                       {TokenizeOptions::NONE, "none"}}};

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
                     "; wanted is AUTO, LLAMA3, CHATML or NONE"));
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

int64_t BatchSize(const BatchOptions& options) {
  return options.has_batch_size() ? options.batch_size() : kDefaultBatchSize;
}

int64_t MaxSequences(const BatchOptions& options) {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  if (!options.has_max_steps()) return kMax;
  if (options.max_steps() > kMax / BatchSize(options)) return kMax;
  return options.max_steps() * BatchSize(options);
}

absl::string_view ChatTemplateName(
    TokenizeOptions::ChatTemplate chat_template) {
  for (const auto& [value, name] : kTemplateNames) {
    if (value == chat_template) return name;
  }
  return "unknown";
}

absl::StatusOr<TokenizeOptions::ChatTemplate> ParseChatTemplateName(
    absl::string_view name) {
  for (const auto& [value, known] : kTemplateNames) {
    if (known == name) return value;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("the chat template is \"", name,
                   "\"; wanted is auto, llama3, chatml or none"));
}

}  // namespace moe
