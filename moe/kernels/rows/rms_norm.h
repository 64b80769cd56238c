// Root mean square normalisation (Zhang and Sennrich, "Root Mean Square Layer
// Normalization", NeurIPS 2019, equation 4), as in LLaMA: without a bias, with
// an epsilon in the root.
//
// A result depends on its row alone. It is the same on every SIMD target and
// with any number of threads: sums are in double over 16 virtual lanes
// (moe/kernels/rows/row_ops-inl.h).

#ifndef MOE_KERNELS_ROWS_RMS_NORM_H_
#define MOE_KERNELS_ROWS_RMS_NORM_H_

#include "absl/types/span.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"

namespace moe::kernels {

// For every row x of [num_tokens, hidden_size]:
//   r = 1 / sqrt(sum_i x_i^2 / hidden_size + epsilon)  double, rounded to float
//   y_i = (x_i * r) * weight_i                         float
// `y` may be `x`. `weight` has hidden_size elements.
void RmsNorm(base::MatrixView<const float> x, absl::Span<const float> weight,
             float epsilon, base::MatrixView<float> y, base::ThreadPool& pool);

// The gradient with respect to x, given that with respect to y:
//   g_i = dy_i * weight_i                              float
//   c = r^3 / hidden_size * sum_i g_i x_i              double, rounded to float
//   dx_i = g_i * r - x_i * c                           float
// `dx` may be `dy` or `x`.
void RmsNormBackward(base::MatrixView<const float> x,
                     absl::Span<const float> weight, float epsilon,
                     base::MatrixView<const float> dy,
                     base::MatrixView<float> dx, base::ThreadPool& pool);

}  // namespace moe::kernels

#endif  // MOE_KERNELS_ROWS_RMS_NORM_H_
