// How far a prediction of the next token is from another one.
//
// The same on every SIMD target and with any number of threads and rows at
// once: a token's divergence is a function of its logits alone.

#ifndef MOE_KERNELS_ROWS_KL_DIVERGENCE_H_
#define MOE_KERNELS_ROWS_KL_DIVERGENCE_H_

#include "absl/types/span.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"

namespace moe::kernels {

// The Kullback-Leibler divergence KL(p || q) in nats for every row, with
// p = softmax(x) of the reference's logits x and q = softmax(y) of the logits
// y, both [num_tokens, vocabulary_size], which must be finite:
//   a_i = x_i - max x, e_i = float(exp(float(a_i))); likewise b_i, f_i of y
//   s = sum e_i, t = sum f_i, d = sum e_i (a_i - b_i)
//   divergence = float(d / s + log(float(t / s)))
// in double but where it says float; sums over 16 virtual lanes. Equal rows
// give +0; what rounding makes negative is +0 too. `divergences` has num_tokens
// elements.
void KlDivergence(base::MatrixView<const float> reference,
                  base::MatrixView<const float> logits,
                  absl::Span<float> divergences, base::ThreadPool& pool);

}  // namespace moe::kernels

#endif  // MOE_KERNELS_ROWS_KL_DIVERGENCE_H_
