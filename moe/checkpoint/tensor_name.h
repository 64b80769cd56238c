// The names of tensors in dense LLaMA and in MoE checkpoints: one grammar.
//
//   name     = "model.embed_tokens.weight" | "model.norm.weight"
//            | "lm_head.weight" | "model.layers." LAYER "." inner "." leaf
//   inner    = "input_layernorm" | "post_attention_layernorm"
//            | "self_attn." ( "q_proj" | "k_proj" | "v_proj" | "o_proj" )
//              [ "." EXPERT ]                                 attention
//            | "self_attn.gate"                               attention router
//            | "mlp." ( "gate_proj" | "up_proj" | "down_proj" )   dense MLP
//            | "block_sparse_moe.gate"                        router
//            | "block_sparse_moe." ( "w1" | "w2" | "w3" )     contract layer
//            | "block_sparse_moe.experts." EXPERT "." ( "w1" | "w2" | "w3" )
//            | "mlp_residual." ( "w1" | "w2" | "w3" )         residual expert
//   leaf     = "weight" | "bias"
//
// LAYER and EXPERT are decimal without leading zeros.

#ifndef MOE_CHECKPOINT_TENSOR_NAME_H_
#define MOE_CHECKPOINT_TENSOR_NAME_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace moe::checkpoint {

enum class TensorKind {
  kEmbedding,
  kFinalNorm,
  kLmHead,
  kInputNorm,
  kPostAttentionNorm,
  kQuery,  // With an expert: that expert's share.
  kKey,
  kValue,
  kOutput,
  kAttentionRouter,
  kMlpGate,  // Dense MLP: gate_proj, up_proj, down_proj.
  kMlpUp,
  kMlpDown,
  kRouter,
  kContractGate,  // w1, w3, w2 of a contract layer.
  kContractUp,
  kContractDown,
  kExpertGate,  // w1, w3, w2 of an expert.
  kExpertUp,
  kExpertDown,
  kResidualGate,  // w1, w3, w2 of the residual expert.
  kResidualUp,
  kResidualDown,
};

struct TensorName {
  TensorKind kind = TensorKind::kEmbedding;
  int64_t layer = -1;   // -1 for what belongs to no layer.
  int64_t expert = -1;  // -1 for what belongs to no expert.
  bool is_bias = false;

  friend bool operator==(const TensorName&, const TensorName&) = default;
};

// Nothing if the text is not a name of the grammar.
std::optional<TensorName> ParseTensorName(absl::string_view text);

// The inverse. `name` must be one that ParseTensorName gives.
std::string FormatTensorName(const TensorName& name);

// Whether the name is of a buffer that follows from the configuration, at any
// place: of a rotary embedding ("rotary_emb.inv_freq" and whatever else is
// below rotary_emb, "inv_freq", "cos_cached", "sin_cached"), or a causal mask
// ("causal_mask", "masked_bias", "self_attn.bias"). Readers ignore it and
// writers leave it out.
bool IsDerivedBuffer(absl::string_view text);

// A model that was saved through a wrapper has names with the wrapper's prefix
// ("module.", "_orig_mod.", "base_model.model."). One that was saved without
// its head has names without "model.". Both are the same tensors.
//
// Maps a name in a file to the model's name: removes `wrapper` and, if
// `lacks_model` is set, puts "model." before all names but lm_head.
struct NamePrefix {
  std::string wrapper;
  bool lacks_model = false;

  bool IsNone() const { return wrapper.empty() && !lacks_model; }
  // `name` must begin with `wrapper`.
  std::string ModelName(absl::string_view name) const;
};

// Finds the prefix of a checkpoint's tensor names by the embedding's name. None
// if not all names have the wrapper.
NamePrefix FindNamePrefix(const std::vector<std::string>& names);

// The name of `names` that shares most parts with `wanted`, counted from the
// end ("mlp.up_proj.weight" has three parts). The first of those, or the first
// name if none shares two parts. Empty if there are no names.
std::string NearestTensorName(absl::string_view wanted,
                              const std::vector<std::string>& names);

}  // namespace moe::checkpoint

#endif  // MOE_CHECKPOINT_TENSOR_NAME_H_
