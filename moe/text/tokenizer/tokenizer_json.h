// Reads a tokenizer.json.

#ifndef MOE_TEXT_TOKENIZER_TOKENIZER_JSON_H_
#define MOE_TEXT_TOKENIZER_TOKENIZER_JSON_H_

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/text/tokenizer/bpe_tokenizer.h"

namespace moe {

// The tokenizer that the text of a tokenizer.json describes. InvalidArgument,
// with the place in the document, if it is malformed; Unimplemented, with the
// type's name and place, if it wants what is not implemented.
absl::StatusOr<std::unique_ptr<BpeTokenizer>> ParseTokenizerJson(
    absl::string_view text, const TokenizerNames& names);

}  // namespace moe

#endif  // MOE_TEXT_TOKENIZER_TOKENIZER_JSON_H_
