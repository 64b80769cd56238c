// The added tokens that a tokenizer has because of the files beside its
// tokenizer.json.
//
// transformers 4.57 adds to the tokens of a tokenizer.json, in this order:
//   1. the tokens of added_tokens_decoder; without one, those of
//      added_tokens.json and of the tokenizer.json itself, by their ids;
//   2. bos_token, eos_token and the other kNamedTokens, then
//      additional_special_tokens and extra_special_tokens.
// A token that is already there keeps its id and gets the flags of the file
// beside. A token of the vocabulary has its id there. Any other token gets the
// next free id, whatever a file says. A special token that is named by a string
// keeps the flags that it has.
//
// A token of 1 that 2 names is special. A token of added_tokens.json is
// special, and not normalized, if a special field of a file names it; any other
// is normalized. Classes such as LlamaTokenizerFast name special tokens that
// the files do not name.
//
// transformers 5 adds the same tokens if tokenizer_config.json has an
// added_tokens_decoder.

#ifndef MOE_TEXT_TOKENIZER_CONFIG_TOKENS_H_
#define MOE_TEXT_TOKENIZER_CONFIG_TOKENS_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "moe/text/tokenizer/added_tokens.h"
#include "moe/text/tokenizer/bpe_model.h"
#include "moe/text/tokenizer/tokenizer_config.h"

namespace moe::text {

// The defaults of a class of transformers 4.57 for what tokenizer_config.json
// does not say. A name is empty if the class has none.
struct TokenizerClass {
  absl::string_view name;  // Without "Fast".
  absl::string_view bos_token;
  absl::string_view eos_token;
  absl::string_view unk_token;
  absl::string_view pad_token;
  // The class makes a post-processor of add_bos_token and add_eos_token, which
  // replaces the one of tokenizer.json.
  bool makes_post_processor = false;
  bool add_bos_token = false;
};

// The class of that name, with or without "Fast". An unknown class counts as
// PreTrainedTokenizerFast, which has no names.
const TokenizerClass& FindTokenizerClass(absl::string_view name);

// Adds the tokens of `config` to `tokens`, those of the tokenizer.json. Returns
// the changes as a text for a digest; it is empty if there are none. Says a
// notice for a token that gets another id than its file says, and for one that
// is left out because another token has its id.
std::string AddConfigTokens(const TokenizerConfig& config,
                            const BpeModel& model,
                            std::vector<AddedToken>* tokens);

}  // namespace moe::text

#endif  // MOE_TEXT_TOKENIZER_CONFIG_TOKENS_H_
