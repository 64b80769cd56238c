// What stands before and behind a text: the post-processor of a tokenizer.json,
// held against add_bos_token, add_eos_token and bos_token of
// tokenizer_config.json.
//
// Where they disagree, what counts is what counts for transformers 4.57: with a
// tokenizer_class that makes a post-processor (LlamaTokenizerFast, see
// TokenizerClass) tokenizer_config.json, with any other tokenizer.json.
// transformers 5 goes by add_bos_token and add_eos_token with every class, and
// by tokenizer.json where neither is there. A notice says both values.

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

namespace moe {

struct TextEndsInput {
  const TokenizerConfig* config;
  TextEnds asked;
  std::optional<int32_t> bos_id;
  std::optional<int32_t> eos_id;
  std::function<std::string(int32_t)> name_of;  // A token's.
};

// The post-processor that counts, given that of the tokenizer.json. The error
// of CheckTextEnds.
absl::StatusOr<PostProcessor> ChooseTextEnds(const PostProcessor& of_file,
                                             const TextEndsInput& input);

// InvalidArgument, with what to do, if a BOS or EOS is asked for and the
// tokenizer has none.
absl::Status CheckTextEnds(const TextEnds& asked, bool has_bos, bool has_eos);

}  // namespace moe

#endif  // MOE_TEXT_TOKENIZER_TEXT_ENDS_H_
