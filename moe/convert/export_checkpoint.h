// MoE checkpoints in the forms of models that transformers itself has, which
// load with no code beside them.
//
// These models know neither a scale factor nor attention experts or experts
// with biases: the scale factor goes into the weights, and the others are
// refused.

#ifndef MOE_CONVERT_EXPORT_CHECKPOINT_H_
#define MOE_CONVERT_EXPORT_CHECKPOINT_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/convert/conversion_plan.h"
#include "moe/convert/export_options.pb.h"
#include "moe/convert/piece_stream.h"

namespace moe::convert {

struct ExportedCheckpoint {
  WrittenCheckpoint written;
  double scale_factor = 1.0;
  std::string target;  // "mixtral"
  // What the targets before it cannot hold, if AUTO chose it: "mixtral cannot
  // hold a residual expert (intermediate_size_residual 288)".
  std::vector<std::string> refusals;
};

// Writes `from`, a converted checkpoint, as the target has it. With E experts
// of size S, hidden size H and a residual expert of size R:
//
//   MIXTRAL           the tensors as they are, but w2 of every expert times
//                     scale_factor
//   GRANITEMOESHARED  block_sparse_moe.router.layer.weight [E, H] = the router;
//                     block_sparse_moe.input_linear.weight [E, 2S, H], of each
//                     expert w1, then w3; block_sparse_moe.output_linear.weight
//                     [E, H, S], w2 times scale_factor; shared_mlp.
//                     input_linear.weight [2R, H] and output_linear.weight
//                     [H, R] of the residual expert, as they are;
//                     attention_multiplier = 1 / sqrt(head_dim), the other
//                     multipliers 1
//   ERNIE4_5_MOE      mlp.gate, mlp.experts.E and mlp.shared_experts for
//                     block_sparse_moe and mlp_residual; gate_proj, up_proj and
//                     down_proj for w1, w3 and w2; down_proj of routed experts
//                     times scale_factor; a
//                     moe_statics.e_score_correction_bias [1, E] of float32
//                     zeros; the rows of q_proj and k_proj in the order in
//                     which ERNIE rotates: j, j + head_dim / 2, j + 1, ... of
//                     each head
//   QWEN2_MOE         the same names, but mlp.shared_expert, whose down_proj is
//                     times 2; a shared_expert_gate [1, H] of zeros, whose
//                     sigmoid is 1/2; q_proj and k_proj as they are
//
// Both have dense layers where the checkpoint has contract layers. AUTO is the
// first target of the list that holds the checkpoint.
//
// A product with scale_factor is that of float32, with the nearest float32 to
// scale_factor, rounded to the tensor's type to nearest even: exact for a power
// of two. How many were rounded is in the result: where scale_factor is no
// float32 (0.1), all but those of 0. A fused tensor is in the shard of the
// first of its parts.
//
// InvalidArgument, with what to do instead, for what the target cannot hold: a
// dense checkpoint; attention experts; biases of an alignment or of the MLP; a
// residual expert (MIXTRAL) or none (GRANITEMOESHARED, QWEN2_MOE), or one that
// is no multiple of an expert (ERNIE4_5_MOE); contract layers (MIXTRAL,
// GRANITEMOESHARED); biases of the attention (all but GRANITEMOESHARED); a
// head_dim that is not hidden_size / num_attention_heads (GRANITEMOESHARED,
// QWEN2_MOE); parts of different types in a fused tensor (GRANITEMOESHARED); a
// scale_factor that float32 has as 0 or infinity. Also for a product that its
// type cannot hold, which is found while it is written, and the errors of
// WriteConversion.
absl::StatusOr<ExportedCheckpoint> ExportCheckpoint(
    const checkpoint::Checkpoint& from, const ExportOptions& options,
    const ConversionOutput& output, const ConversionResources& resources);

}  // namespace moe::convert

#endif  // MOE_CONVERT_EXPORT_CHECKPOINT_H_
