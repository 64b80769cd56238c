// Elementwise operations over rows, and the search for NaN and infinity.

#ifndef MOE_KERNELS_ROWS_ELEMENTWISE_H_
#define MOE_KERNELS_ROWS_ELEMENTWISE_H_

#include <cstdint>
#include <optional>

#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"

namespace moe {

// y = a + b, a residual connection. `y` may be either.
void ResidualAdd(MatrixView<const float> a, MatrixView<const float> b,
                 MatrixView<float> y, ThreadPool& pool);

// y = a - b. `y` may be either.
void Subtract(MatrixView<const float> a, MatrixView<const float> b,
              MatrixView<float> y, ThreadPool& pool);

// y = a * b, element by element. `y` may be either.
void Multiply(MatrixView<const float> a, MatrixView<const float> b,
              MatrixView<float> y, ThreadPool& pool);

struct MatrixPosition {
  int64_t row;
  int64_t col;

  friend bool operator==(const MatrixPosition&,
                         const MatrixPosition&) = default;
};

// The first NaN or infinity in row-major order, if there is one. Every stage
// calls this on its results, because no kernel looks for them.
std::optional<MatrixPosition> FindNonFinite(MatrixView<const float> x,
                                            ThreadPool& pool);

}  // namespace moe

#endif  // MOE_KERNELS_ROWS_ELEMENTWISE_H_
