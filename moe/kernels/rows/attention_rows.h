// What attention does between its products: softmax whose row is seen in pieces
// one after another, and its gradient.
//
// All results are functions of their row and of how it is cut alone, the same
// on every SIMD target and with any number of threads: exp is correctly rounded
// (moe/kernels/math/exp-inl.h), sums are taken in double over 16 virtual lanes.
// The products are the caller's. (Milakov and Gimelshein, "Online normalizer
// calculation for softmax", 2018, algorithm 3.)

#ifndef MOE_KERNELS_ROWS_ATTENTION_ROWS_H_
#define MOE_KERNELS_ROWS_ATTENTION_ROWS_H_

#include <cstdint>

#include "absl/types/span.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/rows/softmax.h"

namespace moe {

// Of every row, what its softmax has seen so far.
struct RunningSoftmax {
  absl::Span<float> max;   // -infinity before the first piece.
  absl::Span<double> sum;  // Of exp(x - max); 0 before the first piece.
};

// Takes the next piece of every row: for the row's m = max, s = sum and the
// elements x_i that the mask leaves, at least one,
//   m' = max(m, max_i x_i)
//   e_i = exp(x_i - m')         in place of x_i; +0 where there is the mask
//   c = exp(m - m')             in float
//   s' = s c + sum_i e_i        in double, the product rounded by itself
// In `correction`, c: what earlier pieces have given must be multiplied by it.
void SoftmaxPiece(const CausalMask& mask, MatrixView<float> x,
                  const RunningSoftmax& rows, absl::Span<float> correction,
                  ThreadPool& pool);

// out_i = x_i factor. `out` may be `x`.
void Scale(MatrixView<const float> x, float factor, MatrixView<float> out,
           ThreadPool& pool);

// x_i = x_i factor for every row's factor.
void ScaleRows(absl::Span<const float> factors, MatrixView<float> x,
               ThreadPool& pool);

// inverse = float(1 / sum) of every row, and out_i = x_i inverse + 0: a zero
// becomes +0. `out` may be `x`.
void FinishSoftmax(absl::Span<const double> sums, MatrixView<const float> x,
                   absl::Span<float> inverses, MatrixView<float> out,
                   ThreadPool& pool);

// out = float(sum_i a_i b_i) of every row.
void DotRows(MatrixView<const float> a, MatrixView<const float> b,
             absl::Span<float> out, ThreadPool& pool);

// Of every query, a column below.
struct SoftmaxColumns {
  absl::Span<const float> max;
  absl::Span<const float> inverse;
  absl::Span<const float> dot;  // Of the output with its gradient.
};

// Probabilities and the gradients of scores, with keys in rows and queries in
// columns. In place of the score s_jt and of the gradient d_jt with respect to
// the probability:
//   p_jt = exp(s_jt - max_t) inverse_t
//   p_jt (d_jt - dot_t)
// and +0 in both for queries t < first_query + j, whatever was there.
void SoftmaxColumnsBackward(const SoftmaxColumns& columns, int64_t first_query,
                            MatrixView<float> scores,
                            MatrixView<float> gradients, ThreadPool& pool);

}  // namespace moe

#endif  // MOE_KERNELS_ROWS_ATTENTION_ROWS_H_
