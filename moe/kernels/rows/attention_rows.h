// The part of attention between its products: a softmax that sees its row in
// pieces, one after another, and its gradient (Milakov and Gimelshein, "Online
// normalizer calculation for softmax", 2018, algorithm 3). The caller computes
// the products.
//
// A result depends only on its row and on how the row is cut. It is the same on
// every SIMD target and with any number of threads: exp is correctly rounded
// (moe/kernels/math/exp-inl.h), and sums are in double over 16 virtual lanes.

#ifndef MOE_KERNELS_ROWS_ATTENTION_ROWS_H_
#define MOE_KERNELS_ROWS_ATTENTION_ROWS_H_

#include <cstdint>

#include "absl/types/span.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/rows/softmax.h"

namespace moe::kernels {

// What the softmax of every row has seen so far.
struct RunningSoftmax {
  absl::Span<float> max;   // -infinity before the first piece.
  absl::Span<double> sum;  // The sum of exp(x - max); 0 before the first.
};

// Takes the next piece of every row. With m = max and s = sum of the row, and
// the elements x_i that are not masked, at least one of them:
//   m' = max(m, max_i x_i)
//   e_i = exp(x_i - m')         in place of x_i; +0 where masked
//   c = exp(m - m')             in float
//   s' = s c + sum_i e_i        in double, the product rounded on its own
// `correction` becomes c. The caller multiplies the results of earlier pieces
// with it.
void SoftmaxPiece(const CausalMask& mask, base::MatrixView<float> x,
                  const RunningSoftmax& rows, absl::Span<float> correction,
                  base::ThreadPool& pool);

// out_i = x_i factor. `out` may be `x`.
void Scale(base::MatrixView<const float> x, float factor,
           base::MatrixView<float> out, base::ThreadPool& pool);

// x_i = x_i factor, with a factor for each row.
void ScaleRows(absl::Span<const float> factors, base::MatrixView<float> x,
               base::ThreadPool& pool);

// For every row, inverse = float(1 / sum) and out_i = x_i inverse + 0. The
// addition turns -0 into +0. `out` may be `x`.
void FinishSoftmax(absl::Span<const double> sums,
                   base::MatrixView<const float> x, absl::Span<float> inverses,
                   base::MatrixView<float> out, base::ThreadPool& pool);

// For every row, out = float(sum_i a_i b_i).
void DotRows(base::MatrixView<const float> a, base::MatrixView<const float> b,
             absl::Span<float> out, base::ThreadPool& pool);

// The statistics of every query. Queries are columns below.
struct SoftmaxColumns {
  absl::Span<const float> max;
  absl::Span<const float> inverse;
  absl::Span<const float> dot;  // The product of the output and its gradient.
};

// Probabilities, and the gradients of scores, with keys in rows and queries in
// columns. Replaces the score s_jt and the gradient d_jt with respect to the
// probability by
//   p_jt = exp(s_jt - max_t) inverse_t
//   p_jt (d_jt - dot_t)
// and both by +0 for queries t < first_query + j.
void SoftmaxColumnsBackward(const SoftmaxColumns& columns, int64_t first_query,
                            base::MatrixView<float> scores,
                            base::MatrixView<float> gradients,
                            base::ThreadPool& pool);

}  // namespace moe::kernels

#endif  // MOE_KERNELS_ROWS_ATTENTION_ROWS_H_
