// Gathers rows of a matrix, and adds rows to those of a matrix: how the tokens
// of an expert are collected and its outputs returned.

#ifndef MOE_KERNELS_ROWS_GATHERED_ROWS_H_
#define MOE_KERNELS_ROWS_GATHERED_ROWS_H_

#include <cstdint>

#include "absl/types/span.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"

namespace moe::kernels {

// Row i of y becomes row rows[i] of x. x and y must not overlap. `rows` has an
// element for each row of y.
void GatherRows(base::MatrixView<const float> x, absl::Span<const int64_t> rows,
                base::MatrixView<float> y, base::ThreadPool& pool);

// Row rows[i] of y += weights[i] * row i of x. The product is rounded, then the
// sum. The elements of `rows` must differ. Both spans have an element for each
// row of x. x and y must not overlap.
void AddWeightedRows(base::MatrixView<const float> x,
                     absl::Span<const int64_t> rows,
                     absl::Span<const float> weights, base::MatrixView<float> y,
                     base::ThreadPool& pool);

}  // namespace moe::kernels

#endif  // MOE_KERNELS_ROWS_GATHERED_ROWS_H_
