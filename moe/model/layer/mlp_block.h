// The MLP block of a decoder layer, dense or with experts, before the residual
// connection.

#ifndef MOE_MODEL_LAYER_MLP_BLOCK_H_
#define MOE_MODEL_LAYER_MLP_BLOCK_H_

#include <cstdint>

#include "absl/status/status.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/model/layer/decoder_layer_weights.h"
#include "moe/model/layer/layer_batch.h"

namespace moe::model {

// For the rows h of `batch.hidden`, with m = RMSNorm(h) and
// mlp(m) = down(silu(gate(m)) * up(m)), without experts:
//   output = mlp(m)
// with experts:
//   output = sum over the chosen experts e, ascending, of w_e mlp_e(m)
//   residual = mlp(m) of the residual expert, if there is one
// The sum starts from +0. RouteTokens gives the weights for m W_router^T. An
// expert takes its tokens from the whole batch at once, so that its weights are
// read once for many tokens.
absl::Status MlpBlockForward(const DecoderLayer& layer, const LayerBatch& batch,
                             const LayerTaps& taps, const BlockOutput& out,
                             base::ThreadPool& pool);

// The memory of MlpActivation for up to `rows` rows of an MLP, or of several
// ones of the same size.
struct ActivationBuffers {
  ActivationBuffers(const MlpWeights& weights, int64_t rows)
      : gate(rows, weights.gate.num_outputs()),
        up(rows, weights.up.num_outputs()) {}
  base::Matrix<float> gate, up;
};

// a = silu(gate(m)) * up(m) [rows, I] for m [rows, H], as MlpBlockForward
// computes it, in the buffer of gate. The caller checks that it is finite.
base::MatrixView<float> MlpActivation(const MlpWeights& weights,
                                      base::MatrixView<const float> m,
                                      ActivationBuffers& buffers,
                                      base::ThreadPool& pool);

}  // namespace moe::model

#endif  // MOE_MODEL_LAYER_MLP_BLOCK_H_
