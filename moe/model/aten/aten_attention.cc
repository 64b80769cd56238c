#include "moe/model/aten/aten_attention.h"

#include <ATen/core/Dict.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/softmax.h>
#include <c10/core/ScalarType.h>
#include <c10/core/TensorOptions.h>
#include <torch/version.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

// The operator does not exist before 2.0. Before 2.2, a CPU keeps all scores of
// a sequence in memory.
#if TORCH_VERSION_MAJOR > 2 || \
    (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 2)
#define MOE_ATEN_HAS_FUSED_ATTENTION 1
#include <ATen/ops/scaled_dot_product_attention.h>
#endif

namespace moe::model {
namespace {

#ifdef MOE_ATEN_HAS_FUSED_ATTENTION

// Every fused implementation takes multiples of this number of features. For
// other numbers LibTorch may use the implementation that keeps all scores.
constexpr int64_t kFusedFeatures = 8;

// Keys or values for every head. [num_sequences, num_heads, length, head_dim].
at::Tensor RepeatHeads(const at::Tensor& x, int64_t num_heads) {
  if (x.size(1) == num_heads) return x;
  const int64_t group = num_heads / x.size(1);
  return x.unsqueeze(2)
      .expand({x.size(0), x.size(1), group, x.size(2), x.size(3)})
      .reshape({x.size(0), num_heads, x.size(2), x.size(3)});
}

#endif

// The attention of queries [begin, end) of every sequence. q [num_sequences,
// num_key_value_heads, heads of a group, length, head_dim], scaled.
at::Tensor AttendBlock(const at::Tensor& q, const AtenAttentionInputs& inputs,
                       int64_t begin, int64_t end) {
  const int64_t sequences = q.size(0), groups = q.size(1), heads = q.size(2);
  const int64_t rows = end - begin, head_dim = q.size(4);
  // The queries of a group are the rows of one product with its keys.
  const at::Tensor block =
      q.narrow(3, begin, rows)
          .reshape({sequences, groups, heads * rows, head_dim});
  const at::Tensor keys = inputs.key.narrow(2, 0, end);
  at::Tensor scores = at::matmul(block, keys.transpose(2, 3))
                          .to(c10::kFloat)
                          .view({sequences, groups, heads, rows, end});
  const at::Tensor later =
      at::ones({rows, end}, scores.options().dtype(c10::kBool))
          .triu_(begin + 1);
  scores.masked_fill_(later, -std::numeric_limits<float>::infinity());
  const at::Tensor probabilities =
      at::softmax(scores, -1)
          .to(q.scalar_type())
          .view({sequences, groups, heads * rows, end});
  return at::matmul(probabilities, inputs.value.narrow(2, 0, end))
      .view({sequences, groups, heads, rows, head_dim});
}

}  // namespace

at::Tensor AtenAttentionByBlocks(const AtenAttentionInputs& inputs,
                                 int64_t max_scores) {
  const at::Tensor& query = inputs.query;
  const int64_t sequences = query.size(0), num_heads = query.size(1);
  const int64_t length = query.size(2), head_dim = query.size(3);
  const int64_t groups = inputs.key.size(1);
  const double scale = 1.0 / std::sqrt(static_cast<double>(head_dim));
  const at::Tensor scaled = query.mul(scale).view(
      {sequences, groups, num_heads / groups, length, head_dim});
  at::Tensor out = at::empty_like(scaled);
  const int64_t block = std::clamp<int64_t>(
      max_scores / std::max<int64_t>(sequences * num_heads * length, 1), 1,
      std::max<int64_t>(length, 1));
  for (int64_t begin = 0; begin < length; begin += block) {
    const int64_t end = std::min(begin + block, length);
    out.narrow(3, begin, end - begin)
        .copy_(AttendBlock(scaled, inputs, begin, end));
  }
  return out.view(query.sizes());
}

at::Tensor AtenCausalAttention(const AtenAttentionInputs& inputs) {
#ifdef MOE_ATEN_HAS_FUSED_ATTENTION
  if (inputs.query.size(3) % kFusedFeatures == 0) {
    const int64_t num_heads = inputs.query.size(1);
    return at::scaled_dot_product_attention(
        inputs.query, RepeatHeads(inputs.key, num_heads),
        RepeatHeads(inputs.value, num_heads), /*attn_mask=*/{},
        /*dropout_p=*/0.0, /*is_causal=*/true);
  }
#endif
  return AtenAttentionByBlocks(inputs, kMaxAttentionScores);
}

}  // namespace moe::model
