// The matrix product of moe/kernels/gemm/gemm.h, one multiply-add at a time.

#ifndef MOE_KERNELS_GEMM_TESTING_GEMM_REFERENCE_H_
#define MOE_KERNELS_GEMM_TESTING_GEMM_REFERENCE_H_

#include "moe/base/matrix_view.h"

namespace moe::reference {

// C[M, N] = A[M, K] B[N, K]^T.
void Gemm(MatrixView<const float> a, MatrixView<const float> b,
          MatrixView<float> c);

// C[M, N] = A[M, K] B[K, N].
void GemmTransposed(MatrixView<const float> a, MatrixView<const float> b,
                    MatrixView<float> c);

}  // namespace moe::reference

#endif  // MOE_KERNELS_GEMM_TESTING_GEMM_REFERENCE_H_
