// One decoder layer of a LLaMA, forward, and backward where it is dense, for a
// batch of ragged sequences:
//   h = x + o_proj(attention(rope(q, k), v)),  q, k, v of RMSNorm(x)
//   y = h + down_proj(a),  a = silu(gate_proj(m)) * up_proj(m),  m = RMSNorm(h)
// as LlamaDecoderLayer of Hugging Face transformers computes it in float32, in
// the arithmetic of moe/kernels. Either block may have experts instead:
// attention_block.h and mlp_block.h say what it is then.
//
// The walk over a model calls it for each layer, all stages at once or some of
// them. Reading weights, choosing batches and keeping hidden states are the
// walk's. Weight gradients are never computed.
//
// Bits: a row of any result depends on its sequence up to it alone (backward:
// on its whole sequence), not on the batch, the number of threads, the SIMD
// target, or how many rows go through the MLP or an expert at once.
//
// Errors: InvalidArgument, with the activation, the sequence and the position,
// where one is NaN or infinite; those of the taps. The caller adds the layer.

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

namespace moe {

// The stages of a forward, in their order. To add a block's output is to add
// its parts, to show the parts and the sum to the taps, and to add the sum to
// the hidden state that the block was given: hidden + (output + residual).
enum class LayerStage {
  kAttention,     // Computes attention's output from x.
  kAddAttention,  // Gives h from x and attention's output.
  kMlp,           // Computes the MLP's output from h.
  kAddMlp,        // Gives y from h and the MLP's output.
};

struct LayerForward {
  // Where the blocks put their outputs out, or where earlier stages have put
  // them. Attention has no residual. The two outputs may be the same rows.
  BlockOutput attention;
  BlockOutput mlp;
  // First h, then y: [T, H], which may be x. A forward that starts with a later
  // stage than kAddAttention finds h in it, and x is not read.
  MatrixView<float> hidden;
  // A walk that holds a block's output back until it has seen all tokens' runs
  // some of the stages at a time.
  LayerStage first = LayerStage::kAttention;
  LayerStage last = LayerStage::kAddMlp;
};

// The stages from `first` to `last`. Takes, for the time of the call, T * (H +
// 2 Q + 4 K) floats and what the blocks say; with A experts to choose k from, T
// * A floats and T * k times 16 bytes.
absl::Status DecoderLayerForward(const DecoderLayer& layer,
                                 const LayerBatch& batch, const LayerTaps& taps,
                                 const LayerForward& forward, ThreadPool& pool);

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

// Fills dx from dy, computing the layer's forward again from x. The layer must
// be without experts, its weights packed for the backward. Takes T * (2 H + 6 Q
// + 5 K) floats for the time of the call, T * Q less with saved_attention, and
// what the blocks say. With the kernels' own gradients:
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
