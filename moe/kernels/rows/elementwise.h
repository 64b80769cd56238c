// Elementwise operations over rows, and the search for NaN and infinity.

#ifndef MOE_KERNELS_ROWS_ELEMENTWISE_H_
#define MOE_KERNELS_ROWS_ELEMENTWISE_H_

#include <cstdint>
#include <optional>

#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"

namespace moe::kernels {

// y = a + b, a residual connection. `y` may be either.
void ResidualAdd(base::MatrixView<const float> a,
                 base::MatrixView<const float> b, base::MatrixView<float> y,
                 base::ThreadPool& pool);

// y = a - b. `y` may be either.
void Subtract(base::MatrixView<const float> a, base::MatrixView<const float> b,
              base::MatrixView<float> y, base::ThreadPool& pool);

// y = a * b, element by element. `y` may be either.
void Multiply(base::MatrixView<const float> a, base::MatrixView<const float> b,
              base::MatrixView<float> y, base::ThreadPool& pool);

struct MatrixPosition {
  int64_t row;
  int64_t col;

  friend bool operator==(const MatrixPosition&,
                         const MatrixPosition&) = default;
};

// The first NaN or infinity in row-major order, if there is one. Every stage
// calls this on its results, because no kernel looks for them.
std::optional<MatrixPosition> FindNonFinite(base::MatrixView<const float> x,
                                            base::ThreadPool& pool);

}  // namespace moe::kernels

#endif  // MOE_KERNELS_ROWS_ELEMENTWISE_H_
