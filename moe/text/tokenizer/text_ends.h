// The special tokens before and after a text: chooses between the
// post-processor of a tokenizer.json and add_bos_token, add_eos_token and
// bos_token of tokenizer_config.json.
//
// If they disagree, the choice is that of transformers 4.57. With a
// tokenizer_class that makes a post-processor (LlamaTokenizerFast, see
// TokenizerClass), tokenizer_config.json counts; with any other,
// tokenizer.json. A notice says both values. transformers 5 differs: with every
// class, add_bos_token and add_eos_token count, and tokenizer.json if neither
// is there.

#ifndef MOE_TEXT_TOKENIZER_TEXT_ENDS_H_
#define MOE_TEXT_TOKENIZER_TEXT_ENDS_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "moe/text/tokenizer/post_processor.h"
#include "moe/text/tokenizer/tokenizer.h"
#include "moe/text/tokenizer/tokenizer_config.h"

namespace moe::text {

struct TextEndsInput {
  const TokenizerConfig* config;
  TextEnds asked;
  std::optional<int32_t> bos_id;
  std::optional<int32_t> eos_id;
  std::function<std::string(int32_t)> name_of;  // The token with an id.
};

// The post-processor that counts, given the one of the tokenizer.json. Fails as
// CheckTextEnds does.
absl::StatusOr<PostProcessor> ChooseTextEnds(const PostProcessor& of_file,
                                             const TextEndsInput& input);

// InvalidArgument if the caller asks for a BOS or EOS that the tokenizer does
// not have.
absl::Status CheckTextEnds(const TextEnds& asked, bool has_bos, bool has_eos);

}  // namespace moe::text

#endif  // MOE_TEXT_TOKENIZER_TEXT_ENDS_H_
