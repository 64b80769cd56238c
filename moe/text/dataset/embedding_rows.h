// Checks that a model's embedding has a row for each id of a tokenizer.

#ifndef MOE_TEXT_DATASET_EMBEDDING_ROWS_H_
#define MOE_TEXT_DATASET_EMBEDDING_ROWS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "moe/text/tokenizer/tokenizer.h"

namespace moe::text {

// InvalidArgument, with both numbers, if a vocabulary has ids without a row in
// the model's embedding. More rows than ids are fine: some embeddings are
// padded.
absl::Status CheckVocabularyFits(int64_t vocab_size, int64_t embedding_rows);

// The same for the tokenizer's own vocabulary. Added tokens may lie beyond the
// embedding; CheckTokensFit refuses them if a text has them.
absl::Status CheckTokenizerFits(const Tokenizer& tokenizer,
                                int64_t embedding_rows);

// InvalidArgument for the first token without a row, with its name, its id, the
// number of rows and what to do. `tokenizer` may be null; then the message does
// not have the name.
absl::Status CheckTokensFit(absl::Span<const int32_t> ids,
                            const Tokenizer* tokenizer, int64_t embedding_rows);

}  // namespace moe::text

#endif  // MOE_TEXT_DATASET_EMBEDDING_ROWS_H_
