// From a parsed line to a sequence of tokens with labels.

#ifndef MOE_TEXT_DATASET_ENCODE_RECORD_H_
#define MOE_TEXT_DATASET_ENCODE_RECORD_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "moe/text/dataset/chat_template.h"
#include "moe/text/dataset/record.h"
#include "moe/text/tokenizer/tokenizer.h"

namespace moe::text {

struct EncodedRecord {
  std::vector<int32_t> input_ids;
  // As many. They are not shifted: the loss compares the output at a position
  // with the label of the next.
  std::vector<int32_t> labels;
  // Tokens that did not fit, behind the last one kept.
  int64_t num_truncated_tokens = 0;
  int64_t num_texts_with_special_tokens = 0;  // See ChatTemplate.
};

// How lines are encoded. Both may be null where all lines hold token ids.
struct RecordEncoder {
  const Tokenizer* tokenizer = nullptr;
  const ChatTemplate* chat_template = nullptr;
  int64_t model_max_length = 0;
};

// A conversation by its template; a text with what the tokenizer's
// post-processor puts around it, every token labelled; token ids as they are.
// The first `model_max_length` tokens are kept. What is left may have no label
// that counts; it is kept all the same, for its hidden states. An empty record,
// and a text that gives no token, give none, whatever stands around a text.
//
// InvalidArgument if there is no tokenizer and the record is not of token ids,
// or if the template has no rule for a turn. Deterministic and thread-safe.
absl::StatusOr<EncodedRecord> EncodeRecord(const RecordEncoder& encoder,
                                           Record record);

}  // namespace moe::text

#endif  // MOE_TEXT_DATASET_ENCODE_RECORD_H_
