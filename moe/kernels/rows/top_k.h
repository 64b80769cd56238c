// The largest elements of rows, by (value, index): of equal values, the lowest
// index comes first. +0 and -0 are equal.

#ifndef MOE_KERNELS_ROWS_TOP_K_H_
#define MOE_KERNELS_ROWS_TOP_K_H_

#include <cstdint>

#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"

namespace moe::kernels {

// The indices of the k = indices.cols largest elements of every row, the
// largest first. k is at most num_cols. x must have no NaN. Takes time in
// proportion to num_cols, and to k for each element that is among the k largest
// so far.
void TopK(base::MatrixView<const float> x, base::MatrixView<int32_t> indices,
          base::ThreadPool& pool);

}  // namespace moe::kernels

#endif  // MOE_KERNELS_ROWS_TOP_K_H_
