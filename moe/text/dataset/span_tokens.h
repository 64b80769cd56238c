// Finds the tokens of given parts of a text.

#ifndef MOE_TEXT_DATASET_SPAN_TOKENS_H_
#define MOE_TEXT_DATASET_SPAN_TOKENS_H_

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/text/tokenizer/tokenizer.h"

namespace moe::text {

// [begin, end) of bytes, or of tokens.
using Span = std::pair<size_t, size_t>;

struct SpanTokens {
  // The ids of the whole text, encoded at once, without the special tokens that
  // the post-processor adds.
  std::vector<int32_t> ids;
  // A token range for each span of bytes: the tokens of its characters, as
  // transformers' char_to_token gives them. A token that crosses an end of the
  // span counts. So does a special token that takes white space from the span.
  std::vector<Span> tokens;
};

// `spans` are in order, do not overlap, and begin and end between characters.
// Errors of Tokenizer::Encode. Encodes the text twice if its parts have the
// tokens of the whole, and more often otherwise.
absl::StatusOr<SpanTokens> EncodeSpans(const Tokenizer& tokenizer,
                                       absl::string_view text,
                                       absl::Span<const Span> spans);

// The end of the end-of-turn token after a turn whose text ends at `end`. The
// token is a special token directly after the text, or `eos_token` after white
// space. Returns `end` if there is none. Errors of Tokenizer::Encode and
// Decode.
absl::StatusOr<size_t> EndOfTurn(const Tokenizer& tokenizer,
                                 absl::string_view text, size_t end,
                                 absl::string_view eos_token);

}  // namespace moe::text

#endif  // MOE_TEXT_DATASET_SPAN_TOKENS_H_
