// The "post_processor" of a tokenizer.json.

#ifndef MOE_TEXT_TOKENIZER_POST_PROCESSOR_JSON_H_
#define MOE_TEXT_TOKENIZER_POST_PROCESSOR_JSON_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "moe/text/tokenizer/json_node.h"
#include "moe/text/tokenizer/post_processor.h"

namespace moe {

// Ids of special tokens that single texts get lie in [0, vocab_size). What the
// tokenizers package refuses is refused, in the template for pairs, too, which
// is not used here. Unimplemented for other types than those of
// post_processor.h.
absl::StatusOr<PostProcessor> ParsePostProcessor(const JsonNode& node,
                                                 int64_t vocab_size);

}  // namespace moe

#endif  // MOE_TEXT_TOKENIZER_POST_PROCESSOR_JSON_H_
