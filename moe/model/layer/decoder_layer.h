// One decoder layer of a LLaMA, forward, and backward where it is dense, for a
// batch of ragged sequences:
//   h = x + o_proj(attention(rope(q, k), v)),  q, k, v of RMSNorm(x)
//   y = h + down_proj(a),  a = silu(gate_proj(m)) * up_proj(m),  m = RMSNorm(h)
// as LlamaDecoderLayer of Hugging Face transformers computes it in float32, in
// the arithmetic of moe/kernels. Either block may have experts instead:
// attention_block.h and mlp_block.h say what it is then.
//
// The walk over a model calls it for each layer; reading weights, choosing
// batches and keeping hidden states are the walk's. Weight gradients are never
// computed.
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
#include "moe/base/thread_pool.h"
#include "moe/kernels/simd/matrix_view.h"
#include "moe/model/layer/attention.h"
#include "moe/model/layer/attention_block.h"
#include "moe/model/layer/layer_batch.h"
#include "moe/model/layer/mlp_block.h"

namespace moe {

// The blocks of a layer and what stands between them, for a walk that holds a
// block's output back until it has seen all tokens'. DecoderLayerForward is
// AttentionBlockForward, FinishBlock, MlpBlockForward, FinishBlock.
//
// Adds the parts of what a block put out, in `out.output`, shows the parts and
// the sum to the taps, and adds the sum to the hidden state that the block was
// given: y = batch.hidden + (output + residual), checked to be finite. y [T, H]
// may be batch.hidden.
absl::Status FinishBlock(DecoderBlock block, const LayerBatch& batch,
                         const LayerTaps& taps, const BlockOutput& out,
                         MatrixView<float> y, ThreadPool& pool);

// y [T, H], which may be x. Beside it, T * (2 H + 2 Q + 4 K) floats are taken
// for the time of the call, T * H more where there is a residual expert, and
// what the blocks say; with A experts to choose k from, T * A floats and T * k
// times 16 bytes.
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
