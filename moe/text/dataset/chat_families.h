// Chat templates of families of models, in Jinja, for checkpoints that have
// none of their own. They write what these published ones do:
//   llama2   Llama 2 Chat          mistral  Mistral 7B Instruct 0.1 and 0.2
//   zephyr   Zephyr 7B beta        vicuna   Vicuna 1.5, as FastChat writes it
//   gemma    Gemma 1.1 and 2       phi3     Phi-3 Mini
//   alpaca   the instructions of Alpaca without their introduction, for turns

#ifndef MOE_TEXT_DATASET_CHAT_FAMILIES_H_
#define MOE_TEXT_DATASET_CHAT_FAMILIES_H_

#include <vector>

#include "absl/strings/string_view.h"
#include "moe/text/dataset/dataset_options.pb.h"

namespace moe::text {

// Empty for kinds that are no such family: AUTO, NONE, LLAMA3, CHATML,
// CHECKPOINT.
absl::string_view FamilyTemplate(TokenizeOptions::ChatTemplate kind);

// The special tokens that a template writes by name, which a tokenizer has to
// have; the last of them ends a turn. The others end one with eos_token.
std::vector<absl::string_view> TemplateTokens(
    TokenizeOptions::ChatTemplate kind);

}  // namespace moe::text

#endif  // MOE_TEXT_DATASET_CHAT_FAMILIES_H_
