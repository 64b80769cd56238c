// Causal attention with grouped queries over ragged sequences, forward and
// backward (Vaswani et al., "Attention Is All You Need", NeurIPS 2017, equation
// 1; Ainslie et al., "GQA", EMNLP 2023, section 2.2).
//
// Between the projections of a decoder layer: takes rotated queries and keys.
// Never holds a sequence's num_tokens x num_tokens scores: a thread has those
// of a block of queries and kDepthBlock keys of one head. It does not look for
// NaN or infinity; as a key that is masked still meets a zero, its infinity can
// become an earlier token's NaN, so callers look before.
//
// Bits. Everything follows from the tokens of one sequence alone: from no
// other sequence, SIMD target, number of threads, or block of queries, and a
// token's output from no later token. Keys are taken in chunks cut at multiples
// of kDepthBlock of the sequence, in ascending order, and backward queries
// likewise; in a chunk a product is one chain (numerics contract, rule 1).
// A masked position counts as a factor of +0 in the chain, or the chain begins
// behind it or ends before, which changes nothing but the sign of a zero. That
// shows nowhere: forward, a zero becomes +0 at last; backward, where chains
// begin depends on the sequence alone.

#ifndef MOE_MODEL_LAYER_ATTENTION_H_
#define MOE_MODEL_LAYER_ATTENTION_H_

#include <cstdint>

#include "absl/types/span.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"

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

// What the forward gives, and the backward takes again.
struct AttentionOutputs {
  MatrixView<float> out;          // As query.
  MatrixView<float> score_max;    // [num_heads, num_tokens]
  MatrixView<float> inverse_sum;  // As score_max.
};
struct AttentionForward {
  AttentionForward(const AttentionOutputs& outputs)  // NOLINT: converts.
      : out(outputs.out),
        score_max(outputs.score_max),
        inverse_sum(outputs.inverse_sum) {}
  AttentionForward(MatrixView<const float> context,
                   MatrixView<const float> maxima,
                   MatrixView<const float> inverses)
      : out(context), score_max(maxima), inverse_sum(inverses) {}

  MatrixView<const float> out;
  MatrixView<const float> score_max;
  MatrixView<const float> inverse_sum;
};

// The same, owned: what a walk may keep of a forward so that the backward need
// not compute it again.
struct SavedAttention {
  SavedAttention() = default;
  SavedAttention(const AttentionShape& shape, int64_t num_tokens)
      : out(num_tokens, shape.QuerySize()),
        score_max(shape.num_heads, num_tokens),
        inverse_sum(shape.num_heads, num_tokens) {}

  // What it takes: num_tokens * (num_heads * (head_dim + 2)) floats.
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

  Matrix<float> out;
  Matrix<float> score_max;
  Matrix<float> inverse_sum;
};

// For query head h, its KV head g = h / HeadsPerGroup(), and token t of a
// sequence, with u_t = q_t * r, r = 1 / sqrt(head_dim) rounded to float:
//   p_t = softmax over j <= t of s_tj = u_t . k_j
//   out_t = sum_{j <= t} p_tj v_j
// computed over the chunks c of keys as SoftmaxPiece says, from m = -infinity,
// s = 0 and o = 0:
//   e_j = exp(s_tj - m'), m and s for the keys j <= t of the chunk
//   o = o exp(m - m') + sum_j e_j v_j
//   out_t = o inverse + 0, inverse = float(1 / s)
// and m and inverse into score_max and inverse_sum. The outputs overlap no
// input. `query_rows` queries at once, which changes no bit; a thread needs
// query_rows x 3 kGemmRowStride floats (more where head_dim is over
// kDepthBlock), and packed keys and values take as much as keys and values do.
void CausalAttention(const AttentionInputs& inputs,
                     const AttentionOutputs& outputs, int64_t query_rows,
                     ThreadPool& pool);

// Gradients with respect to the inputs, shaped as they are.
struct AttentionGradients {
  MatrixView<float> query;
  MatrixView<float> key;
  MatrixView<float> value;
};

// Given d_out, the gradient with respect to the output, and what the forward of
// the same inputs gave:
//   p_tj = exp(s_tj - score_max_t) inverse_sum_t
//   ds_tj = p_tj (d_out_t . v_j - float(d_out_t . out_t))
//   dq_t  = (sum_{j <= t} ds_tj k_j) r
//   dk_j  = sum over the group's heads, ascending, of sum_{t >= j} ds_tj u_t
//   dv_j  = likewise of p_tj d_out_t
// The gradients must not overlap each other or an input. A thread needs some
// kDepthBlock x (900 + 5 head_dim) floats, and the caller's (the longest
// sequence) x head_dim where threads share a head; the gradients of keys and
// values before heads are added take as much as queries do, twice, and keys
// transposed as much as keys do.
void CausalAttentionBackward(const AttentionInputs& inputs,
                             const AttentionForward& forward,
                             MatrixView<const float> d_out,
                             const AttentionGradients& gradients,
                             ThreadPool& pool);

}  // namespace moe

#endif  // MOE_MODEL_LAYER_ATTENTION_H_
