// What is taken of the files beside a tokenizer: tokenizer_config.json, then
// special_tokens_map.json and added_tokens.json.

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

namespace moe {

// The special tokens that have a name, in the order in which transformers adds
// them.
inline constexpr std::array<absl::string_view, 7> kNamedTokens = {
    "bos_token", "eos_token", "unk_token", "sep_token",
    "pad_token", "cls_token", "mask_token"};

// A special token that a file names. Without flags it is a string there.
struct SpecialToken {
  AddedToken token;
  bool has_flags = false;
};

struct TokenizerConfig {
  // As strings or as objects with "content".
  std::optional<std::string> bos_token;
  std::optional<std::string> eos_token;
  std::optional<std::string> unk_token;
  // Fields of kNamedTokens that a file has; none where the field is null.
  std::map<std::string, std::optional<SpecialToken>> named_tokens;
  // additional_special_tokens, and extra_special_tokens where it is a list, as
  // transformers 5 writes it.
  std::vector<SpecialToken> additional_tokens;
  // extra_special_tokens with a name for each, as transformers 4 writes it; by
  // these names.
  std::vector<SpecialToken> extra_tokens;
  // The class of transformers that reads the tokenizer; empty where no file
  // says it.
  std::string tokenizer_class;
  // A tokenizer.json has its post-processor, too: text_ends.h says which
  // counts.
  std::optional<bool> add_bos_token;
  std::optional<bool> add_eos_token;
  std::optional<bool> legacy;
  // For tokenizer.json only: TokenizerNames says how.
  std::optional<bool> add_prefix_space;
  // Those of added_tokens_decoder and added_tokens.json.
  std::vector<AddedToken> added_tokens;
  bool has_added_tokens_decoder = false;
};

// Takes what `config` has not yet from the text of a tokenizer_config.json.
// InvalidArgument, with the place, if it is malformed.
absl::Status MergeTokenizerConfig(absl::string_view text,
                                  TokenizerConfig* config);

// The same of a special_tokens_map.json, after the tokenizer_config.json. As in
// transformers, its tokens stand in for those of a tokenizer_config.json
// without an added_tokens_decoder. Beside one, only a bos_token, eos_token or
// unk_token that `config` does not have is taken.
absl::Status MergeSpecialTokensMap(absl::string_view text,
                                   TokenizerConfig* config);

// Takes the tokens of an added_tokens.json, {"token": id, …}, that `config` has
// not yet.
absl::Status MergeAddedTokens(absl::string_view text, TokenizerConfig* config);

}  // namespace moe

#endif  // MOE_TEXT_TOKENIZER_TOKENIZER_CONFIG_H_
