// One decoder layer of a dense LLaMA, forward and backward, for a batch of
// ragged sequences:
//   h = x + o_proj(attention(rope(q, k), v)),  q, k, v of RMSNorm(x)
//   y = h + down_proj(a),  a = silu(gate_proj(m)) * up_proj(m),  m = RMSNorm(h)
// as LlamaDecoderLayer of Hugging Face transformers computes it in float32, in
// the arithmetic of moe/kernels.
//
// The walk over a model calls it for each layer; reading weights, choosing
// batches and keeping hidden states are the walk's. Weight gradients are never
// computed.
//
// Bits: a row of any result depends on its sequence up to it alone (backward:
// on its whole sequence), not on the batch, the number of threads, the SIMD
// target, or how many rows go through the MLP at once.
//
// Errors: InvalidArgument, with the activation, the sequence and the position,
// where one is NaN or infinite; those of the taps. The caller adds the layer.

#ifndef MOE_MODEL_LAYER_DECODER_LAYER_H_
#define MOE_MODEL_LAYER_DECODER_LAYER_H_

#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/kernels/simd/matrix_view.h"
#include "moe/model/layer/attention.h"
#include "moe/model/layer/decoder_layer_weights.h"
#include "moe/model/layer/rotary_tables.h"

namespace moe {

// How many rows are worked on at once: memory against overhead. No bit depends
// on it.
struct LayerBlocks {
  int64_t query_rows = 128;  // x 816 floats for each thread (head_dim <= 256).
  int64_t mlp_rows = 256;    // x 2 I floats; backward, x (4 I + 2 H).
};

// Notation as in moe/checkpoint/tensor_set.h; T rows of all sequences.
struct DecoderLayer {
  const LlamaConfig* config = nullptr;
  const DecoderLayerWeights* weights = nullptr;
  const RotaryTables* rotary = nullptr;
  LayerBlocks blocks;
};

// Sequence i has the rows [offsets[i], offsets[i + 1]) of `hidden`, at
// positions 0, 1, ...; offsets start with 0, ascend, and end with T.
struct LayerBatch {
  absl::Span<const int64_t> offsets;
  MatrixView<const float> hidden;  // x [T, H].
  // What messages call the first sequence.
  int64_t first_sequence = 0;
};

// Rows [first_row, first_row + activation.rows) of the MLP.
struct MlpRows {
  int64_t first_row = 0;
  MatrixView<const float> input;       // m [rows, H].
  MatrixView<const float> activation;  // a [rows, I].
};

// What looks at a forward pass, and may change what an attention or MLP block
// puts out before it is added. Each is called once, in this order, but for
// `mlp_rows`, which is called for consecutive rows. Any may be empty.
struct LayerTaps {
  std::function<absl::Status(MatrixView<float>)> attention_output;  // [T, H]
  std::function<absl::Status(MatrixView<const float>)> mlp_input;   // m [T, H]
  std::function<absl::Status(const MlpRows&)> mlp_rows;
  std::function<absl::Status(MatrixView<float>)> mlp_output;  // [T, H]
  // If not null, is given what DecoderLayerBackward can take.
  SavedAttention* saved_attention = nullptr;
};

// The shape of the layer's attention, for SavedAttention::SizeBytes.
AttentionShape LayerAttentionShape(const LlamaConfig& config);

// y [T, H], which may be x. Beside it, T * (2 H + 2 Q + 4 K) floats are taken
// for the time of the call, and what the blocks say.
absl::Status DecoderLayerForward(const DecoderLayer& layer,
                                 const LayerBatch& batch, const LayerTaps& taps,
                                 MatrixView<float> y, ThreadPool& pool);

// Takes the gradient of the loss with respect to a [rows, I], for consecutive
// rows of the MLP.
using ActivationGradientTap = std::function<absl::Status(
    const MlpRows& rows, MatrixView<const float> d_activation)>;

struct LayerGradients {
  MatrixView<const float> dy;  // [T, H], with respect to y.
  MatrixView<float> dx;        // [T, H], with respect to x; may be dy.
  ActivationGradientTap tap;   // May be empty.
  // Of a forward of the same batch, whose taps changed nothing. If null it is
  // computed again, to the same bits.
  const SavedAttention* saved_attention = nullptr;
};

// Fills dx from dy, computing the layer's forward again from x. The layer's
// weights must be packed for the backward. Takes T * (2 H + 6 Q + 5 K) floats
// for the time of the call, T * Q less with saved_attention, and what the
// blocks say. With the kernels' own gradients:
//   da = dy W_down;  dgate, dup = SwiGluBackward(da)
//   dm = dgate W_gate + dup W_up;  dh = dy + RmsNormBackward(dm)
//   dq, dk, dv = CausalAttentionBackward(dh W_o), dq and dk rotated back
//   dx = dh + RmsNormBackward((dq W_q + dk W_k) + dv W_v)
absl::Status DecoderLayerBackward(const DecoderLayer& layer,
                                  const LayerBatch& batch,
                                  const LayerGradients& gradients,
                                  ThreadPool& pool);

}  // namespace moe

#endif  // MOE_MODEL_LAYER_DECODER_LAYER_H_
