// What the options of datasets may be, and what they are where they are not
// set.

#ifndef MOE_TEXT_DATASET_DATASET_OPTIONS_H_
#define MOE_TEXT_DATASET_DATASET_OPTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/text/dataset/dataset_options.pb.h"
#include "moe/text/tokenizer/tokenizer.h"

namespace moe {

inline constexpr int64_t kDefaultModelMaxLength = 2048;
inline constexpr int64_t kDefaultBatchSize = 1;

// OK, or InvalidArgument with the field, its value and what is allowed.
absl::Status ValidateTokenizeOptions(const TokenizeOptions& options);
absl::Status ValidateBatchOptions(const BatchOptions& options);

int64_t ModelMaxLength(const TokenizeOptions& options);
int64_t BatchSize(const BatchOptions& options);

// What the options ask LoadTokenizer for.
TextEnds TextEndsOf(const TokenizeOptions& options);

// How many sequences the options ask for: max_steps * batch_size, and the
// largest int64 where max_steps is not set or the product does not fit.
int64_t MaxSequences(const BatchOptions& options);

// "auto", "llama3", ..., as on the command line: the names of the values, in
// small letters. InvalidArgument for any other name.
std::string ChatTemplateName(TokenizeOptions::ChatTemplate chat_template);
std::vector<std::string> ChatTemplateNames();
absl::StatusOr<TokenizeOptions::ChatTemplate> ParseChatTemplateName(
    absl::string_view name);

}  // namespace moe

#endif  // MOE_TEXT_DATASET_DATASET_OPTIONS_H_
