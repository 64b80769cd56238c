// A symmetric matrix in double, of which the lower triangle is stored: its
// product with weights, and a ridge on its diagonal.
//
// The bits do not depend on the SIMD target or the number of threads.

#ifndef MOE_KERNELS_SOLVE_SYMMETRIC_MATRIX_H_
#define MOE_KERNELS_SOLVE_SYMMETRIC_MATRIX_H_

#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"

namespace moe {

// sums -= weights G for weights w [H, N], sums [H, N] and the symmetric matrix
// G whose lower triangle is that of `gram` [N, N]:
//   sums[h][i] = fma(-double(w_hj), gram[max(i, j)][min(i, j)], sums[h][i])
// for j ascending, in double. The upper triangle of `gram` is not read.
// 2 H N^2 floating-point operations; at most 3 MiB of memory, and 0.2 MiB for
// each thread. NaN and infinity propagate as IEEE 754 says.
void SubtractProduct(MatrixView<const float> weights,
                     const Matrix<double>& gram, Matrix<double>& sums,
                     ThreadPool& pool);

// Adds lambda = ridge * (sum of the diagonal / N) to each element of the
// diagonal of `gram` [N, N] and returns lambda. The sum is in double and
// ascending from +0. Returns 0 if N is 0.
double AddRidge(Matrix<double>& gram, double ridge);

}  // namespace moe

#endif  // MOE_KERNELS_SOLVE_SYMMETRIC_MATRIX_H_
