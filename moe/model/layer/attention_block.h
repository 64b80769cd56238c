// The attention block of a decoder layer, dense or with experts, before the
// residual connection; and the parts that the backward of a dense block uses.

#ifndef MOE_MODEL_LAYER_ATTENTION_BLOCK_H_
#define MOE_MODEL_LAYER_ATTENTION_BLOCK_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/kernels/rows/rope.h"
#include "moe/model/layer/attention.h"
#include "moe/model/layer/layer_batch.h"

namespace moe::model {

// The shape of a layer's dense attention, for SavedAttention::SizeBytes.
AttentionShape LayerAttentionShape(const checkpoint::LlamaConfig& config);

// The tokens of a batch that attend to each other: all, or those that chose an
// expert.
struct AttentionTokens {
  // Sequence i of the batch has the rows [offsets[i], offsets[i + 1]).
  std::vector<int64_t> offsets;
  // The positions in their sequences. [rows]
  std::vector<int32_t> positions;
};
AttentionTokens AllTokens(absl::Span<const int64_t> batch_offsets);
// The tokens of the batch's rows `rows`, which ascend.
AttentionTokens ChosenTokens(absl::Span<const int64_t> batch_offsets,
                             absl::Span<const int64_t> rows);

// Rotates the heads of x [rows, heads * head_dim] by the positions of their
// tokens, with the tables for the lengths of the whole sequences.
void RotateTokens(const DecoderLayer& layer,
                  absl::Span<const int64_t> batch_offsets,
                  const AttentionTokens& tokens,
                  kernels::RopeDirection direction, base::MatrixView<float> x,
                  base::ThreadPool& pool);

// Rotated queries and keys, and values, of a layer without attention experts.
// InvalidArgument if one is NaN or infinite.
struct AttentionProjections {
  base::Matrix<float> query;
  base::Matrix<float> key;
  base::Matrix<float> value;
};
absl::Status ProjectAttention(const DecoderLayer& layer,
                              const LayerBatch& batch,
                              const AttentionTokens& tokens,
                              AttentionProjections& projections,
                              base::ThreadPool& pool);
AttentionInputs InputsOf(const AttentionShape& shape,
                         const AttentionTokens& tokens,
                         const AttentionProjections& projections);
SavedAttention Attend(const AttentionInputs& inputs, const LayerBlocks& blocks,
                      base::ThreadPool& pool);

// output [T, H], for n = RMSNorm(x), without experts:
//   o_proj(attention(rope(q), rope(k), v))
//   q = n W_q^T,  k = n W_k^T,  v = n W_v^T
// with experts:
//   sum over the chosen experts e, ascending, of w_e o_proj_e(attention_e)
// The sum starts from +0. RouteTokens gives the weights for n W_router^T.
// Expert e has its own projections and an AttentionShape of heads / A query
// heads and one KV head, where A is the number of experts. It sees only the
// tokens that chose it, at their positions in their sequences.
absl::Status AttentionBlockForward(const DecoderLayer& layer,
                                   const LayerBatch& batch,
                                   const LayerTaps& taps,
                                   base::MatrixView<float> output,
                                   base::ThreadPool& pool);

}  // namespace moe::model

#endif  // MOE_MODEL_LAYER_ATTENTION_BLOCK_H_
