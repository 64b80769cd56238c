// Matrix products whose bits depend on the operands alone.
//
// C[M, N] = A[M, K] B, in float. K is cut into blocks of
// PackedMatrix::kDepthBlock. In a block, an output is a chain of fused
// multiply-adds in ascending k from +0. The results of the blocks are added in
// ascending order: ((P0 + P1) + P2) + ... For K = 0 the output is +0. So an
// output depends on its row of A and its column of B alone: not on its batch,
// its place there, the SIMD target or the number of threads. The blocks also
// keep the error small: measured 4e-9 RMS of sum |a b| at K = 14336, a seventh
// of that of one long chain.
//
// NaN and infinity propagate as IEEE 754 says. The bits of a NaN are not part
// of the contract. No computation uses reduced precision.

#ifndef MOE_KERNELS_GEMM_GEMM_H_
#define MOE_KERNELS_GEMM_GEMM_H_

#include <cstdint>

#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/gemm/packed_matrix.h"

namespace moe::kernels {

// C[M, N] = A[M, K] B for the packed B[K, N]. Overwrites C, which must not
// overlap A. 2 M N K floating-point operations.
void Gemm(base::MatrixView<const float> a, const PackedMatrix& b,
          base::MatrixView<float> c, base::ThreadPool& pool);

// Rows of A that are this many floats apart are read where they are; others are
// copied first. Use it for a matrix of at most kDepthBlock columns that is
// multiplied as soon as it is computed.
inline constexpr int64_t kGemmRowStride = PackedMatrix::kDepthBlock + 16;

// A part of a packed operand: the outputs from `first_output` on, a multiple of
// kPanelCols, and the depth from `first_depth` on, which must be 0 if the depth
// of the operand is above kDepthBlock.
struct PackedPart {
  const PackedMatrix& matrix;
  int64_t first_output = 0;
  int64_t first_depth = 0;
};

enum class GemmOutput { kOverwrite, kAdd };

// c = a b, or c += a b, for as many outputs of the part as c has columns and as
// much depth as a has. kAdd adds the results of the blocks one after another:
// ((c + P0) + P1) + ... So products over consecutive blocks of depth give the
// bits of one product over all of them.
void GemmPart(base::MatrixView<const float> a, const PackedPart& b,
              base::MatrixView<float> c, GemmOutput output,
              base::ThreadPool& pool);

}  // namespace moe::kernels

#endif  // MOE_KERNELS_GEMM_GEMM_H_
