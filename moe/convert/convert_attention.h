// The attention of a model cut into experts: one or more for each KV head.
//
// The step of the pipeline after the conversion of the MLP, or without it. As
// there, weights are moved and never recomputed. Published as LLaMA-MoE v2,
// "attention MoE".

#ifndef MOE_CONVERT_CONVERT_ATTENTION_H_
#define MOE_CONVERT_CONVERT_ATTENTION_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/convert/attention_options.pb.h"
#include "moe/convert/conversion_plan.h"
#include "moe/convert/piece_stream.h"

namespace moe::convert {

// OK, or InvalidArgument with the field, its value and what is allowed.
absl::Status ValidateAttentionConversionOptions(
    const AttentionConversionOptions& options);

// Null where there are none. The path is for messages.
struct AttentionArtifacts {
  const checkpoint::GateWeights* gate_weights =
      nullptr;  // [attn_experts, H] each.
  std::string gate_weights_path;
};

struct AttentionConversion {
  checkpoint::MoeConfig config;
  WrittenCheckpoint written;
  bool has_random_routers = false;
};

// Writes a checkpoint of `from`, an MoE or a dense one, in which the attention
// of every layer but the contract layers has experts and a router. With G =
// num_attention_heads / num_key_value_heads query heads of a KV head, s =
// attn_split, D = head_dim, A = num_key_value_heads * s = attn_experts:
//
//   expert e    q_proj [G / s * D, H] = rows of the query heads [e * G / s,
//               (e + 1) * G / s), k_proj and v_proj [D, H] = rows of the KV
//               head e / s, o_proj [H, G / s * D] = columns of the query heads
//   router      [A, H], as in ConvertMlp, in the type of the layer's q_proj;
//               drawn from the stream "convert_mixtral_attn_moe/layer/L"
//
// With s above 1, s experts have copies of the same KV head. Contract layers
// keep dense attention; an MoE checkpoint says which layers these are. The MLPs
// of a dense one stay dense, in all layers, under the names of contract layers.
// With `attention_bias`, q_proj, k_proj and v_proj take their elements of the
// biases; the bias of o_proj is the dense one divided by scale_factor_attn in
// every expert, refused unless scale_factor_attn is a power of two and the
// quotients are exact.
//
// Bits: the directory is a function of the input's files, the options and the
// artifacts.
//
// InvalidArgument if an option is not valid or contradicts the model, the
// attention has experts already, experts carry biases of an alignment, which
// was measured with dense attention, or the gate weights do not fit; the errors
// of WriteConversion. All but those of reading and writing come before anything
// is written.
absl::StatusOr<AttentionConversion> ConvertAttention(
    const checkpoint::Checkpoint& from,
    const AttentionConversionOptions& options,
    const AttentionArtifacts& artifacts, const ConversionOutput& output,
    const ConversionResources& resources);

}  // namespace moe::convert

#endif  // MOE_CONVERT_CONVERT_ATTENTION_H_
