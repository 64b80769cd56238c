// Chat templates of families of models, in Jinja, for checkpoints that have
// none of their own.

#ifndef MOE_TEXT_DATASET_CHAT_FAMILIES_H_
#define MOE_TEXT_DATASET_CHAT_FAMILIES_H_

#include <vector>

#include "absl/strings/string_view.h"
#include "moe/text/dataset/dataset_options.pb.h"

namespace moe {

// Empty for kinds that are no such family: AUTO, NONE, LLAMA3, CHATML,
// CHECKPOINT.
absl::string_view FamilyTemplate(TokenizeOptions::ChatTemplate kind);

// The special tokens that a template writes by name, which a tokenizer has to
// have; the last of them ends a turn. The others end one with eos_token.
std::vector<absl::string_view> TemplateTokens(
    TokenizeOptions::ChatTemplate kind);

}  // namespace moe

#endif  // MOE_TEXT_DATASET_CHAT_FAMILIES_H_
