// The first step of a walk: the input embedding of tokens.

#ifndef MOE_MODEL_WALK_EMBEDDING_H_
#define MOE_MODEL_WALK_EMBEDDING_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "moe/base/matrix_view.h"
#include "moe/checkpoint/checkpoint.h"

namespace moe::model {

// Row t of `out` [num_tokens, H] becomes row input_ids[t] of the embedding [V,
// H], upcast exactly. Reads only these rows, so that the vocabulary need not
// fit in memory. Ids must be in [0, V). The errors of reading; InvalidArgument,
// with file, tensor and element, for a weight that is NaN or infinite.
absl::Status EmbedTokens(const checkpoint::Checkpoint& checkpoint,
                         absl::Span<const int32_t> input_ids,
                         base::MatrixView<float> out);

}  // namespace moe::model

#endif  // MOE_MODEL_WALK_EMBEDDING_H_
