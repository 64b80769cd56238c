// What this project reads from the files beside a tokenizer: first
// tokenizer_config.json, then special_tokens_map.json and added_tokens.json.

#ifndef MOE_TEXT_TOKENIZER_TOKENIZER_CONFIG_H_
#define MOE_TEXT_TOKENIZER_TOKENIZER_CONFIG_H_

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/text/tokenizer/added_tokens.h"

namespace moe::text {

// The fields that name one special token, in the order in which transformers
// adds the tokens.
inline constexpr std::array<absl::string_view, 7> kNamedTokens = {
    "bos_token", "eos_token", "unk_token", "sep_token",
    "pad_token", "cls_token", "mask_token"};

// A special token that a file names: as a string, or with flags as an object.
struct SpecialToken {
  AddedToken token;
  bool has_flags = false;
};

struct TokenizerConfig {
  std::optional<std::string> bos_token;
  std::optional<std::string> eos_token;
  std::optional<std::string> unk_token;
  // The fields of kNamedTokens that a file has; none if the field is null.
  std::map<std::string, std::optional<SpecialToken>> named_tokens;
  // additional_special_tokens, and extra_special_tokens if it is a list, as
  // transformers 5 writes it.
  std::vector<SpecialToken> additional_tokens;
  // extra_special_tokens if it gives each token a name, as transformers 4
  // writes it; in the order of these names.
  std::vector<SpecialToken> extra_tokens;
  // The class of transformers that reads the tokenizer; empty if no file names
  // it.
  std::string tokenizer_class;
  // A tokenizer.json has a post-processor as well: text_ends.h says which of
  // the two counts.
  std::optional<bool> add_bos_token;
  std::optional<bool> add_eos_token;
  std::optional<bool> legacy;
  // For tokenizer.json only: see TokenizerNames.
  std::optional<bool> add_prefix_space;
  // The tokens of added_tokens_decoder and added_tokens.json.
  std::vector<AddedToken> added_tokens;
  bool has_added_tokens_decoder = false;
};

// Adds to `config` what it does not have yet from the text of a
// tokenizer_config.json. InvalidArgument, with the place, if it is malformed.
absl::Status MergeTokenizerConfig(absl::string_view text,
                                  TokenizerConfig* config);

// The same for a special_tokens_map.json, after the tokenizer_config.json. As
// in transformers, its tokens replace those of a tokenizer_config.json without
// an added_tokens_decoder. With an added_tokens_decoder, only a bos_token,
// eos_token or unk_token that `config` does not have is added.
absl::Status MergeSpecialTokensMap(absl::string_view text,
                                   TokenizerConfig* config);

// Adds the tokens of an added_tokens.json, {"token": id, ...}, that `config`
// does not have yet.
absl::Status MergeAddedTokens(absl::string_view text, TokenizerConfig* config);

}  // namespace moe::text

#endif  // MOE_TEXT_TOKENIZER_TOKENIZER_CONFIG_H_
