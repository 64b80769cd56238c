// Causal attention with grouped queries through LibTorch's operators.
//
// Part of moe/model/aten; not under the numerics contract. The definition is
// that of moe/model/layer/attention.h.
//
// Its users hold LibTorch's types and see its exceptions.

#ifndef MOE_MODEL_ATEN_ATEN_ATTENTION_H_
#define MOE_MODEL_ATEN_ATEN_ATTENTION_H_

#include <ATen/core/ATen_fwd.h>

#include <cstdint>

namespace moe {

// What attention reads: of `num_sequences` sequences of one length,
//   query [num_sequences, num_heads, length, head_dim]
//   key and value [num_sequences, num_key_value_heads, length, head_dim]
// of one type, on one device.
struct AtenAttentionInputs {
  const at::Tensor& query;
  const at::Tensor& key;
  const at::Tensor& value;
};

// How many scores are in memory at once, unless one query has more: 128 MiB.
inline constexpr int64_t kMaxAttentionScores = int64_t{1} << 25;

// The attention's output, shaped as the queries are; scores and probabilities
// are float32. With LibTorch's fused attention where this LibTorch's works
// without a sequence's length x length scores (from 2.2 on, head_dim a multiple
// of 8), else by blocks of queries.
at::Tensor AtenCausalAttention(const AtenAttentionInputs& inputs);

// By blocks of as many queries as have at most `max_scores` scores, or of one.
at::Tensor AtenAttentionByBlocks(const AtenAttentionInputs& inputs,
                                 int64_t max_scores);

}  // namespace moe

#endif  // MOE_MODEL_ATEN_ATEN_ATTENTION_H_
