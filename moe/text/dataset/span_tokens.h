// Which tokens of a text lie in given parts of it.

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

namespace moe {

// [begin, end) of bytes, or of tokens.
using Span = std::pair<size_t, size_t>;

struct SpanTokens {
  // The whole text, encoded at once, without what the post-processor puts
  // around a text.
  std::vector<int32_t> ids;
  // A token range for each span of bytes: the tokens of its characters, as
  // transformers' char_to_token gives them. One that reaches over an end of the
  // span counts, as a special token does that takes white space from the span.
  std::vector<Span> tokens;
};

// `spans` are in order, do not overlap, and begin and end between characters.
// Errors of Tokenizer::Encode. Encodes the text twice where its parts have the
// tokens of the whole, and more often otherwise.
absl::StatusOr<SpanTokens> EncodeSpans(const Tokenizer& tokenizer,
                                       absl::string_view text,
                                       absl::Span<const Span> spans);

// Where the end-of-turn token behind a turn's text ends that ends at `end`: a
// special token that stands directly behind, or `eos_token` behind white space;
// `end` where there is none. Errors of Tokenizer::Encode and Decode.
absl::StatusOr<size_t> EndOfTurn(const Tokenizer& tokenizer,
                                 absl::string_view text, size_t end,
                                 absl::string_view eos_token);

}  // namespace moe

#endif  // MOE_TEXT_DATASET_SPAN_TOKENS_H_
