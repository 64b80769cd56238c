// Softmax over rows, with an optional causal mask.
//
// A result depends on its row alone. It is the same on every SIMD target and
// with any number of threads: exp is correctly rounded
// (moe/kernels/math/exp-inl.h), and sums are in double over 16 virtual lanes.

#ifndef MOE_KERNELS_ROWS_SOFTMAX_H_
#define MOE_KERNELS_ROWS_SOFTMAX_H_

#include <cstdint>

#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"

namespace moe::kernels {

// The elements of a row that are not masked: the first
//   min(cols, first_length + row % period)
// For scores [num_heads * num_queries, num_keys] of queries at the end of the
// keys: first_length = num_keys - num_queries + 1, period = num_queries. The
// default masks nothing.
struct CausalMask {
  int64_t first_length = INT64_MAX;  // At least 0.
  int64_t period = 1;                // At least 1.

  int64_t Length(int64_t row, int64_t cols) const {
    const int64_t extra = row % period;
    return first_length >= cols - extra ? cols : first_length + extra;
  }
};

// For every row x, in float except for the sum:
//   z_i = x_i * scale
//   e_i = exp(z_i - max_j z_j)
//   y_i = e_i * float(1 / sum_j e_j)
// over the elements that are not masked. y is +0 at the masked ones, which are
// not read. `y` may be `x`. (Attention: Vaswani et al., "Attention Is All You
// Need", NeurIPS 2017, equation 1, with scale = 1 / sqrt(head_dim).)
void Softmax(base::MatrixView<const float> x, float scale,
             const CausalMask& mask, base::MatrixView<float> y,
             base::ThreadPool& pool);

}  // namespace moe::kernels

#endif  // MOE_KERNELS_ROWS_SOFTMAX_H_
