// One decoder layer of a LLaMA, forward, and backward where it is dense, for a
// batch of ragged sequences:
//   h = x + o_proj(attention(rope(q, k), v)),  q, k, v of RMSNorm(x)
//   y = h + down_proj(a),  a = silu(gate_proj(m)) * up_proj(m),  m = RMSNorm(h)
// as LlamaDecoderLayer of Hugging Face transformers computes it in float32, in
// the arithmetic of moe/kernels. Either block may have experts; see
// attention_block.h and mlp_block.h.
//
// The walk over a model calls it for each layer, for all stages at once or some
// of them. The walk reads the weights, chooses the batches and keeps the hidden
// states. Weight gradients are never computed.
//
// Bits: a row of a result depends on its sequence up to that row alone (in the
// backward on its whole sequence). It does not depend on the batch, the number
// of threads, the SIMD target, or the number of rows that go through the MLP or
// an expert at once.
//
// Errors: InvalidArgument, with the activation, the sequence and the position,
// if an activation is NaN or infinite; those of the taps. The caller adds the
// layer.

#ifndef MOE_MODEL_LAYER_DECODER_LAYER_H_
#define MOE_MODEL_LAYER_DECODER_LAYER_H_

#include <functional>

#include "absl/status/status.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/model/layer/attention.h"
#include "moe/model/layer/attention_block.h"
#include "moe/model/layer/layer_batch.h"
#include "moe/model/layer/mlp_block.h"

namespace moe::model {

// The stages of a forward, in their order. A stage that adds a block's output
// shows its parts to the taps, adds them, shows the sum to the taps, and adds
// the sum to the block's input: hidden + (output + residual).
enum class LayerStage {
  kAttention,     // Computes attention's output from x.
  kAddAttention,  // Gives h from x and attention's output.
  kMlp,           // Computes the MLP's output from h.
  kAddMlp,        // Gives y from h and the MLP's output.
};

struct LayerForward {
  // The outputs of the blocks, which this call or an earlier one fills.
  // Attention has no residual. The two outputs may be the same rows.
  BlockOutput attention;
  BlockOutput mlp;
  // First h, then y: [T, H], which may be x. A forward that starts after
  // kAddAttention finds h here and does not read x.
  base::MatrixView<float> hidden;
  // A walk that holds back a block's output, until it has that of all tokens,
  // runs some of the stages at a time.
  LayerStage first = LayerStage::kAttention;
  LayerStage last = LayerStage::kAddMlp;
};

// Runs the stages from `first` to `last`. Memory during the call: T * (H + 2 Q
// + 4 K) floats, and what the blocks say; with A experts of which a token
// chooses k, also T * A floats and T * k * 16 bytes.
absl::Status DecoderLayerForward(const DecoderLayer& layer,
                                 const LayerBatch& batch, const LayerTaps& taps,
                                 const LayerForward& forward,
                                 base::ThreadPool& pool);

// Receives the gradient of the loss with respect to a [rows, I], for
// consecutive rows of the MLP.
using ActivationGradientTap = std::function<absl::Status(
    const MlpRows& rows, base::MatrixView<const float> d_activation)>;

struct LayerGradients {
  base::MatrixView<const float> dy;  // [T, H], with respect to y.
  base::MatrixView<float> dx;        // [T, H], with respect to x; may be dy.
  ActivationGradientTap tap;         // May be empty.
  // From a forward of the same batch whose taps changed nothing. If null, the
  // backward computes it again, with the same bits.
  const SavedAttention* saved_attention = nullptr;
};

// Fills dx from dy. Computes the layer's forward again from x. The layer must
// have no experts, and its weights must be packed for the backward. Memory
// during the call: T * (2 H + 6 Q + 5 K) floats, T * Q less with
// saved_attention, and what the blocks say. With the gradients of the kernels:
//   da = dy W_down;  dgate, dup = SwiGluBackward(da)
//   dm = dgate W_gate + dup W_up;  dh = dy + RmsNormBackward(dm)
//   dq, dk, dv = CausalAttentionBackward(dh W_o), dq and dk rotated back
//   dx = dh + RmsNormBackward((dq W_q + dk W_k) + dv W_v)
absl::Status DecoderLayerBackward(const DecoderLayer& layer,
                                  const LayerBatch& batch,
                                  const LayerGradients& gradients,
                                  base::ThreadPool& pool);

}  // namespace moe::model

#endif  // MOE_MODEL_LAYER_DECODER_LAYER_H_
