// Causal attention with grouped queries through LibTorch's operators.
//
// Part of moe/model/aten; not under the numerics contract. The definition is
// that of moe/model/layer/attention.h.
//
// Callers use LibTorch's types and see its exceptions.

#ifndef MOE_MODEL_ATEN_ATEN_ATTENTION_H_
#define MOE_MODEL_ATEN_ATEN_ATTENTION_H_

#include <ATen/core/ATen_fwd.h>

#include <cstdint>

namespace moe::model {

// The inputs of attention, for `num_sequences` sequences of one length:
//   query [num_sequences, num_heads, length, head_dim]
//   key and value [num_sequences, num_key_value_heads, length, head_dim]
// All have one type and are on one device.
struct AtenAttentionInputs {
  const at::Tensor& query;
  const at::Tensor& key;
  const at::Tensor& value;
};

// The most scores in memory at once, unless one query has more: 128 MiB.
inline constexpr int64_t kMaxAttentionScores = int64_t{1} << 25;

// The output of attention, with the shape of the queries. Scores and
// probabilities are float32. Uses LibTorch's fused attention if it does not
// keep all length x length scores of a sequence (from 2.2 on, head_dim a
// multiple of 8); otherwise works by blocks of queries.
at::Tensor AtenCausalAttention(const AtenAttentionInputs& inputs);

// Works by blocks of queries with at most `max_scores` scores, or of one query.
at::Tensor AtenAttentionByBlocks(const AtenAttentionInputs& inputs,
                                 int64_t max_scores);

}  // namespace moe::model

#endif  // MOE_MODEL_ATEN_ATEN_ATTENTION_H_
