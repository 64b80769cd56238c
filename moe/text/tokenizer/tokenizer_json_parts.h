// Parses the parts of a tokenizer.json.
//
// The header of each part lists the types that are implemented; any other is
// Unimplemented, with the type's name and its place in the document. The parser
// refuses what the tokenizers package refuses, and ignores the fields that the
// package does not read.

#ifndef MOE_TEXT_TOKENIZER_TOKENIZER_JSON_PARTS_H_
#define MOE_TEXT_TOKENIZER_TOKENIZER_JSON_PARTS_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "moe/text/tokenizer/added_tokens.h"
#include "moe/text/tokenizer/bpe_model.h"
#include "moe/text/tokenizer/decoder.h"
#include "moe/text/tokenizer/json_node.h"
#include "moe/text/tokenizer/normalizer.h"
#include "moe/text/tokenizer/pre_tokenizer.h"

namespace moe::text {

// More steps than any file has. The steps run nested.
inline constexpr size_t kMaxTokenizerSteps = 64;

// ResourceExhausted: there are more steps than kMaxTokenizerSteps.
absl::Status TooManySteps(const JsonNode& node);

// The fields of a ByteLevel: a pre-tokenizer, a post-processor or a decoder.
struct ByteLevelFields {
  bool add_prefix_space;
  bool use_regex;
};
absl::StatusOr<ByteLevelFields> ParseByteLevel(const JsonNode& node);

// InvalidArgument if the "truncation" or "padding" of a document, which is not
// null, is malformed. The tokenizers package refuses such a file; here the two
// have no effect.
absl::Status CheckTruncation(const JsonNode& node);
absl::Status CheckPadding(const JsonNode& node);

absl::StatusOr<Normalizer> ParseNormalizer(const JsonNode& node);

// `words_are_bytes`: the last step is a ByteLevel, and its words stay bytes.
struct ParsedPreTokenizer {
  PreTokenizer pre_tokenizer;
  bool words_are_bytes;
};
absl::StatusOr<ParsedPreTokenizer> ParsePreTokenizer(const JsonNode& node);

absl::StatusOr<Decoder> ParseDecoder(const JsonNode& node);

// Sets all fields but words_are_bytes.
absl::StatusOr<BpeSpec> ParseBpe(const JsonNode& node);

// The tokens of "added_tokens". As in the tokenizers package, a token of the
// vocabulary has its id there, and any other the next id from
// `model.num_tokens()` on, whatever its own "id" says. InvalidArgument if
// another token has such an id, or if a token appears twice with different
// flags; ResourceExhausted over an AddedTokenBudget.
absl::StatusOr<std::vector<AddedToken>> ParseAddedTokens(const JsonNode& node,
                                                         const BpeModel& model);

}  // namespace moe::text

#endif  // MOE_TEXT_TOKENIZER_TOKENIZER_JSON_PARTS_H_
