// What all kinds of tokenizers do with token ids and digests.

#ifndef MOE_TEXT_TOKENIZER_TOKEN_ID_H_
#define MOE_TEXT_TOKENIZER_TOKEN_ID_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace moe::text {

// InvalidArgument, with the index and the value, for the first of `ids` that
// lies outside [0, vocab_size).
absl::Status CheckTokenIds(absl::Span<const int32_t> ids, int64_t vocab_size);

// The digest of a tokenizer that the files beside it change in the way that
// `changes` says; `digest` itself if `changes` is empty.
std::string DigestWith(std::string digest, absl::string_view changes);

}  // namespace moe::text

#endif  // MOE_TEXT_TOKENIZER_TOKEN_ID_H_
