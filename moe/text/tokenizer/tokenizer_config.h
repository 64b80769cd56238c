// What is taken of the files beside a tokenizer: tokenizer_config.json, then
// special_tokens_map.json and added_tokens.json.

#ifndef MOE_TEXT_TOKENIZER_TOKENIZER_CONFIG_H_
#define MOE_TEXT_TOKENIZER_TOKENIZER_CONFIG_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/text/tokenizer/added_tokens.h"

namespace moe {

struct TokenizerConfig {
  // As strings or as objects with "content".
  std::optional<std::string> bos_token;
  std::optional<std::string> eos_token;
  std::optional<std::string> unk_token;
  // For tokenizer.model only: a tokenizer.json says it in its post-processor.
  std::optional<bool> add_bos_token;
  std::optional<bool> add_eos_token;
  std::optional<bool> legacy;
  // For tokenizer.json only: TokenizerNames says how.
  std::optional<bool> add_prefix_space;
  // Of added_tokens_decoder; for tokenizer.model only, too.
  std::vector<AddedToken> added_tokens;
};

// Takes what `config` has not yet from the text of a tokenizer_config.json or a
// special_tokens_map.json. InvalidArgument, with the place, if it is malformed.
absl::Status MergeTokenizerConfig(absl::string_view text,
                                  TokenizerConfig* config);

// Takes the tokens of an added_tokens.json, {"token": id, …}, that `config` has
// not yet.
absl::Status MergeAddedTokens(absl::string_view text, TokenizerConfig* config);

}  // namespace moe

#endif  // MOE_TEXT_TOKENIZER_TOKENIZER_CONFIG_H_
