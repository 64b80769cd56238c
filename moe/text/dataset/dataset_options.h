// Values that follow from the options of datasets.

#ifndef MOE_TEXT_DATASET_DATASET_OPTIONS_H_
#define MOE_TEXT_DATASET_DATASET_OPTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/text/dataset/dataset_options.pb.h"
#include "moe/text/tokenizer/tokenizer.h"

namespace moe::text {

inline constexpr int64_t kDefaultModelMaxLength = 2048;

int64_t ModelMaxLength(const TokenizeOptions& options);

// The ends of texts that the options ask for.
TextEnds TextEndsOf(const TokenizeOptions& options);

// The number of sequences that the options ask for: max_steps * batch_size, or
// the largest int64 if max_steps is not set or the product does not fit.
int64_t MaxSequences(const BatchOptions& options);

// "auto", "llama3", ..., as on the command line: the names of the values, in
// lower case. InvalidArgument for any other name.
std::string ChatTemplateName(TokenizeOptions::ChatTemplate chat_template);
std::vector<std::string> ChatTemplateNames();
absl::StatusOr<TokenizeOptions::ChatTemplate> ParseChatTemplateName(
    absl::string_view name);

}  // namespace moe::text

#endif  // MOE_TEXT_DATASET_DATASET_OPTIONS_H_
