// Cholesky factorization in double, solving with the factor, and the ridge that
// makes a matrix of sums positive definite.
//
// Every element is one chain of fused multiply-adds in a stated order, so its
// bits do not depend on the SIMD target, the number of threads or the blocks
// that the work is cut into. A right side's solution does not depend on the
// other right sides.
//
// This is for matrices that fit in memory: there is no pivoting, no iterative
// refinement and no sparse storage.
//
// Source: Golub and Van Loan, "Matrix Computations", 4th edition, section 4.2.

#ifndef MOE_KERNELS_SOLVE_CHOLESKY_H_
#define MOE_KERNELS_SOLVE_CHOLESKY_H_

#include "absl/status/status.h"
#include "moe/base/matrix.h"
#include "moe/base/thread_pool.h"

namespace moe::kernels {

// Adds lambda = ridge * (sum of the diagonal / N) to each element of the
// diagonal of `gram` [N, N] and returns lambda. The sum is in double and
// ascending from +0. Returns 0 if N is 0.
double AddRidge(base::Matrix<double>& gram, double ridge);

// Overwrites the lower triangle of `a` [N, N] with that of L, for which
// L L^T = A. The upper triangle is neither read nor written.
//   s_ij = a_ij, then s_ij = fma(-L_ik, L_jk, s_ij) for k = 0 ... j - 1
//   L_jj = sqrt(s_jj)
//   L_ij = s_ij / L_jj for i > j
// N^3 / 3 floating-point operations; at most 4 MiB of memory, and 0.3 MiB for
// each thread. InvalidArgument if a pivot s_jj is not positive and finite: it
// names the first such j and s_jj. Then the triangle holds no useful values.
absl::Status CholeskyFactor(base::Matrix<double>& a, base::ThreadPool& pool);

// (max L_jj / min L_jj)^2 of a factor, 1 if it is empty. It is a lower bound of
// the condition number of L L^T in the 2-norm: the L_jj are the eigenvalues of
// L, and no eigenvalue is outside the range of the singular values.
double CholeskyPivotRatio(const base::Matrix<double>& factor);

// Solves L L^T x = b for each row b of `right_sides` [H, N], in place, with the
// lower triangle of `factor` [N, N].
//   y_i = b_i, then y_i = fma(-L_ik, y_k, y_i) for k = 0 ... i - 1,
//     then y_i = y_i / L_ii
//   x_i = y_i, then x_i = fma(-L_ki, x_k, x_i) for k = N - 1 ... i + 1
//     (descending), then x_i = x_i / L_ii
// 2 H N^2 floating-point operations; memory as for CholeskyFactor. NaN and
// infinity propagate as IEEE 754 says.
void SolveCholesky(const base::Matrix<double>& factor,
                   base::Matrix<double>& right_sides, base::ThreadPool& pool);

}  // namespace moe::kernels

#endif  // MOE_KERNELS_SOLVE_CHOLESKY_H_
