// The attention block of a decoder layer, dense or with experts, before the
// residual connection; and what the backward of a dense one needs of it.

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

namespace moe {

// The shape of a layer's dense attention, for SavedAttention::SizeBytes.
AttentionShape LayerAttentionShape(const LlamaConfig& config);

// The tokens of a batch that attend to each other: all, or those that chose an
// expert.
struct AttentionTokens {
  // Sequence i of the batch has the rows [offsets[i], offsets[i + 1]).
  std::vector<int64_t> offsets;
  // Where they stand in their sequences. [rows]
  std::vector<int32_t> positions;
};
AttentionTokens AllTokens(absl::Span<const int64_t> batch_offsets);
// Of the batch's rows `rows`, ascending.
AttentionTokens ChosenTokens(absl::Span<const int64_t> batch_offsets,
                             absl::Span<const int64_t> rows);

// Turns the heads of x [rows, heads * head_dim] by their tokens' positions,
// with the tables of their whole sequences' lengths.
void RotateTokens(const DecoderLayer& layer,
                  absl::Span<const int64_t> batch_offsets,
                  const AttentionTokens& tokens, RopeDirection direction,
                  MatrixView<float> x, ThreadPool& pool);

// Of a layer without attention experts: rotated queries and keys, and values.
// InvalidArgument where one is NaN or infinite.
struct AttentionProjections {
  Matrix<float> query;
  Matrix<float> key;
  Matrix<float> value;
};
absl::Status ProjectAttention(const DecoderLayer& layer,
                              const LayerBatch& batch,
                              const AttentionTokens& tokens,
                              AttentionProjections& projections,
                              ThreadPool& pool);
AttentionInputs InputsOf(const AttentionShape& shape,
                         const AttentionTokens& tokens,
                         const AttentionProjections& projections);
SavedAttention Attend(const AttentionInputs& inputs, const LayerBlocks& blocks,
                      ThreadPool& pool);

// output [T, H], for n = RMSNorm(x), without experts
//   o_proj(attention(rope(q), rope(k), v)),  q, k, v = n W_q^T, n W_k^T, n
//   W_v^T
// and with them
//   sum over the chosen experts e, ascending, of w_e o_proj_e(attention_e)
// from +0, with the weights that RouteTokens gives for n W_router^T. Expert e
// has its own projections and an AttentionShape of heads / A query heads and
// one KV head, A the number of experts; in it only the tokens are that chose
// it, at the positions where they stand in their sequences.
absl::Status AttentionBlockForward(const DecoderLayer& layer,
                                   const LayerBatch& batch,
                                   const LayerTaps& taps,
                                   MatrixView<float> output, ThreadPool& pool);

}  // namespace moe

#endif  // MOE_MODEL_LAYER_ATTENTION_BLOCK_H_
