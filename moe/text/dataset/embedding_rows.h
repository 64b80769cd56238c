// Whether a model's embedding has a row for what a tokenizer gives.

#ifndef MOE_TEXT_DATASET_EMBEDDING_ROWS_H_
#define MOE_TEXT_DATASET_EMBEDDING_ROWS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "moe/text/tokenizer/tokenizer.h"

namespace moe {

// InvalidArgument, with both numbers, if a vocabulary has ids that the model's
// embedding has no row for. More rows than ids is fine: embeddings are padded
// at times.
absl::Status CheckVocabularyFits(int64_t vocab_size, int64_t embedding_rows);

// The same for the tokenizer's own vocabulary. Added tokens may lie beyond the
// embedding: CheckTokensFit refuses those that a text has.
absl::Status CheckTokenizerFits(const Tokenizer& tokenizer,
                                int64_t embedding_rows);

// InvalidArgument for the first of the tokens that has no row, with its name,
// its id, the number of rows and what to do. Ids that are not the tokenizer's
// have no name; `tokenizer` may be null.
absl::Status CheckTokensFit(absl::Span<const int32_t> ids,
                            const Tokenizer* tokenizer, int64_t embedding_rows);

}  // namespace moe

#endif  // MOE_TEXT_DATASET_EMBEDDING_ROWS_H_
