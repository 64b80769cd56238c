// Causal attention with grouped queries over ragged sequences, forward and
// backward (Vaswani et al., "Attention Is All You Need", NeurIPS 2017, equation
// 1; Ainslie et al., "GQA", EMNLP 2023, section 2.2).
//
// It stands between the projections of a decoder layer and takes rotated
// queries and keys. It never holds all num_tokens x num_tokens scores of a
// sequence: a thread has those of a block of queries and kDepthBlock keys of
// one head. It does not look for NaN or infinity. Callers must check the inputs
// first: a masked key is still multiplied by zero, so that its infinity could
// become the NaN of an earlier token.
//
// Bits. All results depend on the tokens of one sequence alone: not on other
// sequences, the SIMD target, the number of threads or the block of queries. A
// token's output does not depend on later tokens. Keys come in chunks that are
// cut at multiples of kDepthBlock of the sequence, in ascending order; in the
// backward, queries do, too. In a chunk a product is one chain (numerics
// contract, rule 1). A masked position is a factor of +0 in the chain, or the
// chain begins behind it or ends before it. This changes only the sign of a
// zero, and no result shows it: in the forward a zero becomes +0 at the end; in
// the backward the start of a chain depends on the sequence alone.

#ifndef MOE_MODEL_LAYER_ATTENTION_H_
#define MOE_MODEL_LAYER_ATTENTION_H_

#include <cstdint>

#include "absl/types/span.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"

namespace moe::model {

struct AttentionShape {
  int64_t num_heads = 0;
  int64_t num_key_value_heads = 0;  // Divides num_heads.
  int64_t head_dim = 0;

  int64_t HeadsPerGroup() const { return num_heads / num_key_value_heads; }
  int64_t QuerySize() const { return num_heads * head_dim; }
  int64_t KeyValueSize() const { return num_key_value_heads * head_dim; }
};

// The inputs of attention. Sequence i has the rows [offsets[i], offsets[i +
// 1]). Offsets start with 0, ascend, and end with the number of rows.
struct AttentionInputs {
  AttentionShape shape;
  absl::Span<const int64_t> offsets;
  base::MatrixView<const float> query;  // [num_tokens, num_heads * head_dim]
  base::MatrixView<const float>
      key;  // [num_tokens, num_key_value_heads*head_dim]
  base::MatrixView<const float> value;  // As key.
};

// The results of the forward, which the backward takes again.
struct AttentionOutputs {
  base::MatrixView<float> out;          // As query.
  base::MatrixView<float> score_max;    // [num_heads, num_tokens]
  base::MatrixView<float> inverse_sum;  // As score_max.
};
struct AttentionForward {
  AttentionForward(const AttentionOutputs& outputs)  // NOLINT: converts.
      : out(outputs.out),
        score_max(outputs.score_max),
        inverse_sum(outputs.inverse_sum) {}
  AttentionForward(base::MatrixView<const float> context,
                   base::MatrixView<const float> maxima,
                   base::MatrixView<const float> inverses)
      : out(context), score_max(maxima), inverse_sum(inverses) {}

  base::MatrixView<const float> out;
  base::MatrixView<const float> score_max;
  base::MatrixView<const float> inverse_sum;
};

// The same, owned. A walk may keep them so that the backward does not compute
// the forward again.
struct SavedAttention {
  SavedAttention() = default;
  SavedAttention(const AttentionShape& shape, int64_t num_tokens)
      : out(num_tokens, shape.QuerySize()),
        score_max(shape.num_heads, num_tokens),
        inverse_sum(shape.num_heads, num_tokens) {}

  // The memory: num_tokens * num_heads * (head_dim + 2) floats.
  static int64_t SizeBytes(const AttentionShape& shape, int64_t num_tokens) {
    return num_tokens * shape.num_heads * (shape.head_dim + 2) *
           static_cast<int64_t>(sizeof(float));
  }
  int64_t size_bytes() const {
    return (out.rows() * out.cols() + 2 * score_max.rows() * score_max.cols()) *
           static_cast<int64_t>(sizeof(float));
  }
  AttentionOutputs view() {
    return {out.view(), score_max.view(), inverse_sum.view()};
  }
  AttentionForward view() const {
    return {out.view(), score_max.view(), inverse_sum.view()};
  }

  base::Matrix<float> out;
  base::Matrix<float> score_max;
  base::Matrix<float> inverse_sum;
};

// For query head h, its KV head g = h / HeadsPerGroup(), and token t of a
// sequence, with u_t = q_t * r, r = 1 / sqrt(head_dim) rounded to float:
//   p_t = softmax over j <= t of s_tj = u_t . k_j
//   out_t = sum_{j <= t} p_tj v_j
// computed over the chunks of keys with SoftmaxPiece, from m = -infinity, s = 0
// and o = 0:
//   e_j = exp(s_tj - m'), m and s for the keys j <= t of the chunk
//   o = o exp(m - m') + sum_j e_j v_j
//   out_t = o inverse + 0, inverse = float(1 / s)
// score_max gets m and inverse_sum gets inverse. No output may overlap an
// input. Takes `query_rows` queries at once, which changes no bit. A thread
// needs query_rows x 3 kGemmRowStride floats (more if head_dim is above
// kDepthBlock). The packed keys and values take as much memory as keys and
// values.
void CausalAttention(const AttentionInputs& inputs,
                     const AttentionOutputs& outputs, int64_t query_rows,
                     base::ThreadPool& pool);

// Gradients with respect to the inputs, shaped as they are.
struct AttentionGradients {
  base::MatrixView<float> query;
  base::MatrixView<float> key;
  base::MatrixView<float> value;
};

// Given d_out, the gradient with respect to the output, and what the forward of
// the same inputs gave:
//   p_tj = exp(s_tj - score_max_t) inverse_sum_t
//   ds_tj = p_tj (d_out_t . v_j - float(d_out_t . out_t))
//   dq_t  = (sum_{j <= t} ds_tj k_j) r
//   dk_j  = sum over the group's heads, ascending, of sum_{t >= j} ds_tj u_t
//   dv_j  = likewise of p_tj d_out_t
// The gradients must not overlap each other or an input. Memory: about
// kDepthBlock x (900 + 5 head_dim) floats for each thread; (the longest
// sequence) x head_dim for the calling thread if threads share a head; twice
// the size of the queries for the gradients of keys and values of each head;
// and the size of the keys for the transposed keys.
void CausalAttentionBackward(const AttentionInputs& inputs,
                             const AttentionForward& forward,
                             base::MatrixView<const float> d_out,
                             const AttentionGradients& gradients,
                             base::ThreadPool& pool);

}  // namespace moe::model

#endif  // MOE_MODEL_LAYER_ATTENTION_H_
