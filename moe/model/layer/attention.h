// Causal attention with grouped queries over ragged sequences, forward and
// backward (Vaswani et al., "Attention Is All You Need", NeurIPS 2017, equation
// 1; Ainslie et al., "GQA", EMNLP 2023, section 2.2).
//
// Between the projections of a decoder layer: takes rotated queries and keys.
// Never holds a sequence's num_tokens x num_tokens scores: forward, a thread
// has those of a few queries of one head; backward, twice those of
// kDepthBlock queries of one head. It does not look for NaN or infinity; as a
// key that is masked still meets a zero, its infinity can become an earlier
// token's NaN, so callers look before.
//
// Bits. Everything follows from the tokens of one sequence alone: from no
// other sequence, SIMD target, number of threads, or block of queries, and a
// token's output from no later token. Products over keys are cut at multiples
// of kDepthBlock keys of the sequence, and products over queries at as many
// queries, chained in ascending order (numerics contract, rule 1), the blocks'
// results added in ascending order to +0. A masked position counts as a factor
// of +0 in the chain, which changes nothing but the sign of a zero: where an
// underflow made a partial result -0, adding +0 makes it +0. That shows
// nowhere, as a sum that starts from +0 is never -0.

#ifndef MOE_MODEL_LAYER_ATTENTION_H_
#define MOE_MODEL_LAYER_ATTENTION_H_

#include <cstdint>

#include "absl/types/span.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/simd/matrix_view.h"

namespace moe {

struct AttentionShape {
  int64_t num_heads = 0;
  int64_t num_key_value_heads = 0;  // Divides num_heads.
  int64_t head_dim = 0;

  int64_t HeadsPerGroup() const { return num_heads / num_key_value_heads; }
  int64_t QuerySize() const { return num_heads * head_dim; }
  int64_t KeyValueSize() const { return num_key_value_heads * head_dim; }
};

// What attention reads. Sequence i has the rows [offsets[i], offsets[i + 1]);
// offsets start with 0, ascend, and end with the number of rows.
struct AttentionInputs {
  AttentionShape shape;
  absl::Span<const int64_t> offsets;
  MatrixView<const float> query;  // [num_tokens, num_heads * head_dim]
  MatrixView<const float> key;    // [num_tokens, num_key_value_heads*head_dim]
  MatrixView<const float> value;  // As key.
};

// For query head h, its KV head g = h / HeadsPerGroup(), and token t of a
// sequence:
//   p_t = softmax over j <= t of (q_t . k_j / sqrt(head_dim)), as Softmax does
//   out_t = sum_{j <= t} p_tj v_j
// The reciprocal root is rounded to float once. `out` has query's shape and
// overlaps no input. `query_rows` queries at once, which changes no bit; a
// thread needs query_rows x (longest sequence) floats.
void CausalAttention(const AttentionInputs& inputs, MatrixView<float> out,
                     int64_t query_rows, ThreadPool& pool);

// Gradients with respect to the inputs, shaped as they are.
struct AttentionGradients {
  MatrixView<float> query;
  MatrixView<float> key;
  MatrixView<float> value;
};

// Given d_out, the gradient with respect to the output: recomputes p, then
//   dp_tj = d_out_t . v_j
//   ds_t  = SoftmaxBackward(p_t, dp_t), over j <= t, scaled
//   dq_t  = sum_{j <= t} ds_tj k_j
//   dk_j  = sum over the group's heads, ascending, of sum_{t >= j} ds_tj q_t
//   dv_j  = likewise of p_tj d_out_t
// The gradients must not overlap each other or an input. A thread needs 2 *
// kDepthBlock x (longest sequence) floats; those of dk and dv before heads are
// added take as much as queries do, twice.
void CausalAttentionBackward(const AttentionInputs& inputs,
                             MatrixView<const float> d_out,
                             const AttentionGradients& gradients,
                             ThreadPool& pool);

}  // namespace moe

#endif  // MOE_MODEL_LAYER_ATTENTION_H_
