// The matrix product of moe/kernels/gemm/gemm.h, one multiply-add at a time.

#ifndef MOE_KERNELS_GEMM_TESTING_GEMM_REFERENCE_H_
#define MOE_KERNELS_GEMM_TESTING_GEMM_REFERENCE_H_

#include "moe/base/matrix_view.h"

namespace moe::kernels::reference {

// C[M, N] = A[M, K] B[N, K]^T.
void Gemm(base::MatrixView<const float> a, base::MatrixView<const float> b,
          base::MatrixView<float> c);

// C[M, N] = A[M, K] B[K, N].
void GemmTransposed(base::MatrixView<const float> a,
                    base::MatrixView<const float> b, base::MatrixView<float> c);

}  // namespace moe::kernels::reference

#endif  // MOE_KERNELS_GEMM_TESTING_GEMM_REFERENCE_H_
