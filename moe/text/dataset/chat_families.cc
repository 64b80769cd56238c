#include "moe/text/dataset/chat_families.h"

#include <vector>

#include "absl/strings/string_view.h"
#include "moe/text/dataset/dataset_options.pb.h"

namespace moe::text {
namespace {

// The system turn stands in the first user turn, and white space is taken from
// the ends of both together.
constexpr char kLlama2[] =
    R"({%- set has_system = messages[0]['role'] == 'system' -%}
{%- for message in (messages[1:] if has_system else messages) -%}
{%- if message['role'] == 'user' -%}
{%- set content = message['content'] -%}
{%- if has_system and loop.first -%}
{%- set system = messages[0]['content'] -%}
{%- set content = '<<SYS>>\n' + system + '\n<</SYS>>\n\n' + content -%}
{%- endif -%}
{{- bos_token + '[INST] ' + content | trim + ' [/INST]' -}}
{%- elif message['role'] == 'assistant' -%}
{{- ' ' + message['content'] | trim + ' ' + eos_token -}}
{%- else -%}
{{- raise_exception('llama2 has no rule for the role ' + message['role']) -}}
{%- endif -%}
{%- endfor -%})";

constexpr char kMistral[] =
    R"({%- set has_system = messages[0]['role'] == 'system' -%}
{{- bos_token -}}
{%- for message in (messages[1:] if has_system else messages) -%}
{%- if message['role'] == 'user' -%}
{{- ' [INST] ' -}}
{%- if has_system and loop.first -%}
{{- messages[0]['content'] + '\n\n' -}}
{%- endif -%}
{{- message['content'] + ' [/INST]' -}}
{%- elif message['role'] == 'assistant' -%}
{{- ' ' + message['content'] + eos_token -}}
{%- else -%}
{{- raise_exception('mistral has no rule for the role ' + message['role']) -}}
{%- endif -%}
{%- endfor -%})";

constexpr char kZephyr[] =
    R"({%- for message in messages -%}
{%- if message['role'] in ['system', 'user', 'assistant'] -%}
{{- '<|' + message['role'] + '|>\n' + message['content'] + eos_token + '\n' -}}
{%- else -%}
{{- raise_exception('zephyr has no rule for the role ' + message['role']) -}}
{%- endif -%}
{%- endfor -%})";

// A conversation without a system turn has the one that the models know.
constexpr char kVicuna[] =
    R"({{- bos_token -}}
{%- if messages[0]['role'] != 'system' -%}
{{- 'A chat between a curious user and an artificial intelligence ' -}}
{{- 'assistant. The assistant gives helpful, detailed, and polite answers ' -}}
{{- "to the user's questions. " -}}
{%- endif -%}
{%- for message in messages -%}
{%- if message['role'] == 'system' -%}
{{- message['content'] + ' ' -}}
{%- elif message['role'] == 'user' -%}
{{- 'USER: ' + message['content'] + ' ' -}}
{%- elif message['role'] == 'assistant' -%}
{{- 'ASSISTANT: ' + message['content'] + eos_token -}}
{%- else -%}
{{- raise_exception('vicuna has no rule for the role ' + message['role']) -}}
{%- endif -%}
{%- endfor -%})";

constexpr char kAlpaca[] =
    R"({{- bos_token -}}
{%- for message in messages -%}
{%- if message['role'] == 'system' -%}
{{- message['content'] | trim + '\n\n' -}}
{%- elif message['role'] == 'user' -%}
{{- '### Instruction:\n' + message['content'] | trim + '\n\n' -}}
{%- elif message['role'] == 'assistant' -%}
{{- '### Response:\n' + message['content'] | trim + eos_token + '\n\n' -}}
{%- else -%}
{{- raise_exception('alpaca has no rule for the role ' + message['role']) -}}
{%- endif -%}
{%- endfor -%})";

constexpr char kGemma[] =
    R"({{- bos_token -}}
{%- for message in messages -%}
{%- if message['role'] == 'user' -%}
{{- '<start_of_turn>user\n' + message['content'] | trim + '<end_of_turn>\n' -}}
{%- elif message['role'] == 'assistant' -%}
{{- '<start_of_turn>model\n' + message['content'] | trim + '<end_of_turn>\n' -}}
{%- else -%}
{{- raise_exception('gemma has no rule for the role ' + message['role']) -}}
{%- endif -%}
{%- endfor -%})";

constexpr char kPhi3[] =
    R"({%- for message in messages -%}
{%- if message['role'] in ['system', 'user', 'assistant'] -%}
{{- '<|' + message['role'] + '|>\n' + message['content'] + '<|end|>\n' -}}
{%- else -%}
{{- raise_exception('phi3 has no rule for the role ' + message['role']) -}}
{%- endif -%}
{%- endfor -%}
{{- eos_token -}})";

}  // namespace

absl::string_view FamilyTemplate(TokenizeOptions::ChatTemplate kind) {
  switch (kind) {
    case TokenizeOptions::LLAMA2:
      return kLlama2;
    case TokenizeOptions::MISTRAL:
      return kMistral;
    case TokenizeOptions::ZEPHYR:
      return kZephyr;
    case TokenizeOptions::VICUNA:
      return kVicuna;
    case TokenizeOptions::ALPACA:
      return kAlpaca;
    case TokenizeOptions::GEMMA:
      return kGemma;
    case TokenizeOptions::PHI3:
      return kPhi3;
    default:
      return "";
  }
}

std::vector<absl::string_view> TemplateTokens(
    TokenizeOptions::ChatTemplate kind) {
  switch (kind) {
    case TokenizeOptions::LLAMA3:
      return {"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"};
    case TokenizeOptions::CHATML:
      return {"<|im_start|>", "<|im_end|>"};
    case TokenizeOptions::GEMMA:
      return {"<start_of_turn>", "<end_of_turn>"};
    case TokenizeOptions::PHI3:
      return {"<|user|>", "<|assistant|>", "<|end|>"};
    default:
      return {};
  }
}

}  // namespace moe::text
