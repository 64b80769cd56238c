// Reads a tokenizer.json.

#ifndef MOE_TEXT_TOKENIZER_TOKENIZER_JSON_H_
#define MOE_TEXT_TOKENIZER_TOKENIZER_JSON_H_

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/text/tokenizer/bpe_tokenizer.h"
#include "moe/text/tokenizer/tokenizer.h"
#include "moe/text/tokenizer/tokenizer_config.h"

namespace moe::text {

// The tokenizer that the text of a tokenizer.json describes, with the tokens of
// `config` (AddConfigTokens) and the ends of texts that ChooseTextEnds gives.
// InvalidArgument, with the place in the document, if it is malformed;
// Unimplemented, with the type's name and place, if it uses a type that is not
// implemented. The digest is that of `names` unless `config` or `ends` changes
// the tokenizer's results.
absl::StatusOr<std::unique_ptr<BpeTokenizer>> ParseTokenizerJson(
    absl::string_view text, const TokenizerNames& names,
    const TokenizerConfig& config = {}, const TextEnds& ends = {});

}  // namespace moe::text

#endif  // MOE_TEXT_TOKENIZER_TOKENIZER_JSON_H_
