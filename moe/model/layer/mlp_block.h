// The MLP block of a decoder layer, dense or with experts, before the residual
// connection.

#ifndef MOE_MODEL_LAYER_MLP_BLOCK_H_
#define MOE_MODEL_LAYER_MLP_BLOCK_H_

#include "absl/status/status.h"
#include "moe/base/thread_pool.h"
#include "moe/model/layer/layer_batch.h"

namespace moe {

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
                             ThreadPool& pool);

}  // namespace moe

#endif  // MOE_MODEL_LAYER_MLP_BLOCK_H_
