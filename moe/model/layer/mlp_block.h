// The MLP block of a decoder layer, dense or with experts, before the residual
// connection.

#ifndef MOE_MODEL_LAYER_MLP_BLOCK_H_
#define MOE_MODEL_LAYER_MLP_BLOCK_H_

#include "absl/status/status.h"
#include "moe/base/thread_pool.h"
#include "moe/model/layer/layer_batch.h"

namespace moe {

// For the rows h of `batch.hidden`, m = RMSNorm(h), and
// mlp(m) = down(silu(gate(m)) * up(m)), without experts
//   output = mlp(m)
// and with them
//   output = sum over the chosen experts e, ascending, of w_e mlp_e(m)
//   residual = mlp(m), of the residual expert, where there is one
// the sum from +0, with the weights that RouteTokens gives for m W_router^T.
// The tokens of an expert come together from all of the batch, for its weights
// to be read once for many.
absl::Status MlpBlockForward(const DecoderLayer& layer, const LayerBatch& batch,
                             const LayerTaps& taps, const BlockOutput& out,
                             ThreadPool& pool);

}  // namespace moe

#endif  // MOE_MODEL_LAYER_MLP_BLOCK_H_
