// The pieces of a tokenizer.json, each from its own part of the document.
//
// What is implemented is listed in each piece's header; all else is
// Unimplemented, with the type's name and its place in the document. What the
// tokenizers package refuses is refused; fields that it does not read are not
// looked at.

#ifndef MOE_TEXT_TOKENIZER_TOKENIZER_JSON_PARTS_H_
#define MOE_TEXT_TOKENIZER_TOKENIZER_JSON_PARTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "moe/text/tokenizer/added_tokens.h"
#include "moe/text/tokenizer/bpe_model.h"
#include "moe/text/tokenizer/decoder.h"
#include "moe/text/tokenizer/json_node.h"
#include "moe/text/tokenizer/normalizer.h"
#include "moe/text/tokenizer/pre_tokenizer.h"

namespace moe {

absl::StatusOr<Normalizer> ParseNormalizer(const JsonNode& node);

// `words_are_bytes`: the last step is a ByteLevel, whose words are left as
// bytes.
struct ParsedPreTokenizer {
  PreTokenizer pre_tokenizer;
  bool words_are_bytes;
};
absl::StatusOr<ParsedPreTokenizer> ParsePreTokenizer(const JsonNode& node);

absl::StatusOr<Decoder> ParseDecoder(const JsonNode& node);

// All but words_are_bytes.
absl::StatusOr<BpeSpec> ParseBpe(const JsonNode& node);

// The tokens of "added_tokens" with the ids that the tokenizers package gives
// them: that of the same token in the vocabulary, else the next one after
// `num_tokens` of the vocabulary, whatever the file's own "id" says.
// InvalidArgument if such an id is already another token's, or a token is there
// twice with different flags, ResourceExhausted over an AddedTokenBudget.
absl::StatusOr<std::vector<AddedToken>> ParseAddedTokens(const JsonNode& node,
                                                         const BpeModel& model);

}  // namespace moe

#endif  // MOE_TEXT_TOKENIZER_TOKENIZER_JSON_PARTS_H_
