// Added tokens that only the files beside a tokenizer.json know.
//
// transformers adds to the tokens of a tokenizer.json, in this order:
//   1. those of added_tokens_decoder, or where there is none those of
//      added_tokens.json and of the tokenizer.json itself, by their ids;
//   2. bos_token, eos_token and the other kNamedTokens, then
//      additional_special_tokens and extra_special_tokens.
// A token that is named in 2 is special in 1 as well.
// A token that is there gets the flags of the file beside, and keeps its id; a
// token of the vocabulary has its id there; any other gets the next free id,
// whatever a file says. A special token that is named by a string keeps the
// flags that it has. Classes such as LlamaTokenizerFast have names for special
// tokens that a file does not name.
//
// A token of added_tokens.json that a special field of a file names is special,
// and not normalized; any other is normalized.
//
// This is what transformers 4.57 does. 5 adds the same tokens where
// tokenizer_config.json has an added_tokens_decoder.

#ifndef MOE_TEXT_TOKENIZER_CONFIG_TOKENS_H_
#define MOE_TEXT_TOKENIZER_CONFIG_TOKENS_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "moe/text/tokenizer/added_tokens.h"
#include "moe/text/tokenizer/bpe_model.h"
#include "moe/text/tokenizer/tokenizer_config.h"

namespace moe {

// What a class of transformers 4.57 does where tokenizer_config.json says
// nothing. Names are empty where the class has none.
struct TokenizerClass {
  absl::string_view name;  // Without "Fast".
  absl::string_view bos_token;
  absl::string_view eos_token;
  absl::string_view unk_token;
  absl::string_view pad_token;
  // The class makes a post-processor of add_bos_token and add_eos_token, which
  // stands in for the one of tokenizer.json.
  bool makes_post_processor = false;
  bool add_bos_token = false;
};

// The class of that name, with or without "Fast". One that is not known is as
// PreTrainedTokenizerFast, which has no names.
const TokenizerClass& FindTokenizerClass(absl::string_view name);

// Adds the tokens of `config` to `tokens`, those of the tokenizer.json. Returns
// what has changed, as a text for a digest; empty where nothing has. Says a
// notice for a token that gets another id than its file says, and for one that
// is left out as its id would be another token's.
std::string AddConfigTokens(const TokenizerConfig& config,
                            const BpeModel& model,
                            std::vector<AddedToken>* tokens);

}  // namespace moe

#endif  // MOE_TEXT_TOKENIZER_CONFIG_TOKENS_H_
