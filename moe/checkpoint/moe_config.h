// config.json of the Mixture-of-Experts checkpoints that this project writes.

#ifndef MOE_CHECKPOINT_MOE_CONFIG_H_
#define MOE_CHECKPOINT_MOE_CONFIG_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/base/json.h"
#include "moe/checkpoint/checkpoint_form.pb.h"
#include "moe/checkpoint/llama_config.h"

namespace moe::checkpoint {

// The Python files beside config.json that load the checkpoint in transformers
// with trust_remote_code=True; `auto_map` names them. A plain
// Mixtral has none.
inline constexpr char kModelConfigurationFile[] = "configuration_llama_moe.py";
inline constexpr char kModelCodeFile[] = "modeling_llama_moe.py";

// Notation: n = num_moe_contract_layers, L = num_hidden_layers. The layers i <
// n and i >= L - n, the contract layers, keep a dense MLP and dense attention.
struct MoeConfig {
  // What the model shares with the dense one. Its intermediate_size is the
  // dense one's (`dense_intermediate_size` in the file); its document is kept
  // too.
  LlamaConfig decoder;

  // 0 where only the attention has experts: then every MLP is dense, and the
  // other fields of the MLP's experts do not count.
  int64_t num_local_experts = 0;
  int64_t num_experts_per_tok = 0;
  int64_t expert_intermediate_size = 0;  // `intermediate_size` in the file.
  std::optional<int64_t> intermediate_size_residual;
  double router_aux_loss_coef = 0.01;
  double scale_factor = 1.0;
  int64_t num_moe_contract_layers = 0;

  bool use_attn_moe = false;
  // With use_attn_moe only.
  int64_t attn_experts = 0;
  int64_t top_k_attn = 0;
  double scale_factor_attn = 1.0;

  // Whether experts carry the biases of an alignment.
  bool add_rescale_bias = false;

  CheckpointForm::ConfigStyle config_style = CheckpointForm::OWN;

  bool IsContractLayer(int64_t layer) const {
    return layer < num_moe_contract_layers ||
           layer >= decoder.num_hidden_layers - num_moe_contract_layers;
  }
};

// InvalidArgument names the field that contradicts another: for example top-k
// above the number of experts, or attn_experts that is not num_key_value_heads
// times a power of two that divides the heads of a group.
absl::Status ValidateMoeConfig(const MoeConfig& config);

// The first property of the model that transformers' Mixtral does not compute,
// as in config.json: "scale_factor 4". Empty if the model is exactly a Mixtral.
std::string FindBeyondMixtral(const MoeConfig& config);

// Whether config.json says "mixtral" and nothing of this project: the style is
// OWN and nothing is beyond Mixtral.
bool IsPlainMixtral(const MoeConfig& config);

// The model_type that config.json has: "llama_moe", or "mixtral" for a plain
// Mixtral and in the published style.
absl::string_view ModelTypeOf(const MoeConfig& config);

// Whether a model_type is one that ParseMoeConfig reads.
bool IsMoeModelType(absl::string_view model_type);

// InvalidArgument and Unimplemented as ParseDecoderConfig and
// ValidateMoeConfig; Unimplemented unless IsMoeModelType, and for experts of
// another moe_type than "modulelist". A "mixtral" with a moe_type is of the
// published style; one without is a plain Mixtral, of this project's or
// another's making: fields that it leaves out have transformers' defaults for
// Mixtral, and its dense_intermediate_size is num_local_experts times
// intermediate_size.
absl::StatusOr<MoeConfig> ParseMoeConfig(absl::string_view text);

// The document: every field of config.decoder.document that still means the
// same, then the MoE fields. "_name_or_path", and fields that RemovePathFields
// removes, are not in it: they tell where the dense model lay. Parsing it gives
// `config` back, but for these, and for the dense_intermediate_size of a plain
// Mixtral. `config` must be valid.
std::string FormatMoeConfig(const MoeConfig& config);

// The same as a Mixtral, without the fields that only this project and the
// published code know.
base::Json DocumentWithoutOwnFields(const MoeConfig& config);

}  // namespace moe::checkpoint

#endif  // MOE_CHECKPOINT_MOE_CONFIG_H_
