// Fields that stand in several parts of a tokenizer.json, and fields that say
// nothing here but that have to be well-formed, because the tokenizers package
// refuses the file otherwise.

#ifndef MOE_TEXT_TOKENIZER_TOKENIZER_JSON_FIELDS_H_
#define MOE_TEXT_TOKENIZER_TOKENIZER_JSON_FIELDS_H_

#include <cstddef>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "moe/text/tokenizer/json_node.h"

namespace moe {

// More steps than any file has; all are run one in another.
inline constexpr size_t kMaxTokenizerSteps = 64;

// ResourceExhausted: there are more steps than kMaxTokenizerSteps.
absl::Status TooManySteps(const JsonNode& node);

// The fields of a ByteLevel: a pre-tokenizer, a post-processor or a decoder.
struct ByteLevelFields {
  bool add_prefix_space;
  bool use_regex;
};
absl::StatusOr<ByteLevelFields> ParseByteLevel(const JsonNode& node);

// InvalidArgument unless the "truncation" or "padding" of a document, which is
// not null, is well-formed.
absl::Status CheckTruncation(const JsonNode& node);
absl::Status CheckPadding(const JsonNode& node);

}  // namespace moe

#endif  // MOE_TEXT_TOKENIZER_TOKENIZER_JSON_FIELDS_H_
