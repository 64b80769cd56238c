// Weighted sums over tokens for least squares: the two sides of the normal
// equations of a linear map from inputs to targets.
//
// Each sum is one chain of fused multiply-adds in double over the tokens in
// ascending order. Successive calls continue the chains. So the bits depend on
// the tokens and their order alone: not on how they are grouped into calls, the
// SIMD target or the number of threads. They do depend on the order, unlike the
// sums of moe/kernels/sums. Shards cannot be added.
//
// NaN and infinity propagate as IEEE 754 says.

#ifndef MOE_KERNELS_SOLVE_WEIGHTED_SUMS_H_
#define MOE_KERNELS_SOLVE_WEIGHTED_SUMS_H_

#include "absl/types/span.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"

namespace moe::kernels {

// For inputs x [num_tokens, N] and a weight w_t for each token:
//   gram[i][j] = fma(double(w_t) * double(x_ti), double(x_tj), gram[i][j])
// for t ascending, in double. The product of two floats is exact in double, so
// each token rounds once. `gram` is [N, N]. Only its lower triangle, j <= i, is
// read and written. N (N + 1) num_tokens floating-point operations; at most
// 3 MiB of memory, and 0.2 MiB for each thread.
void AddWeightedGram(base::MatrixView<const float> inputs,
                     absl::Span<const float> weights,
                     base::Matrix<double>& gram, base::ThreadPool& pool);

// For targets y [num_tokens, H], inputs x [num_tokens, N] and a weight w_t for
// each token:
//   sums[h][n] = fma(double(w_t) * double(y_th), double(x_tn), sums[h][n])
// for t ascending, in double. `sums` is [H, N]. 2 H N num_tokens floating-point
// operations; memory as above.
void AddWeightedProducts(base::MatrixView<const float> targets,
                         base::MatrixView<const float> inputs,
                         absl::Span<const float> weights,
                         base::Matrix<double>& sums, base::ThreadPool& pool);

}  // namespace moe::kernels

#endif  // MOE_KERNELS_SOLVE_WEIGHTED_SUMS_H_
