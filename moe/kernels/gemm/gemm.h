// Matrix products whose bits depend on nothing but the operands.
//
// C[M, N] = A[M, K] B, in float. K is cut into blocks of
// PackedMatrix::kDepthBlock. In a block, an output is a chain of fused
// multiply-adds in ascending k from +0; the blocks' results are added in
// ascending order:
// ((P0 + P1) + P2) + ... For K = 0 it is +0. So an output depends on its row of
// A and its column of B alone: not on the batch it is in, its place there, the
// SIMD target, or the number of threads. The order is that of the textbook
// algorithm cut once, which also keeps the error small: measured 4e-9 RMS of
// sum |a b| at K = 14336, a seventh of one long chain's.
//
// NaN and infinity come out where they should, though the bits of a NaN are not
// part of the contract. No reduced precision is ever used inside.

#ifndef MOE_KERNELS_GEMM_GEMM_H_
#define MOE_KERNELS_GEMM_GEMM_H_

#include <cstdint>

#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/gemm/packed_matrix.h"

namespace moe {

// C[M, N] = A[M, K] B for the packed B[K, N]. Overwrites C, which must not
// overlap A. 2 M N K floating-point operations.
void Gemm(MatrixView<const float> a, const PackedMatrix& b, MatrixView<float> c,
          ThreadPool& pool);

// Rows of A that are this many floats apart are read where they lie; others are
// copied on the way. So for what is multiplied as soon as it is computed, in
// pieces of at most kDepthBlock columns.
inline constexpr int64_t kGemmRowStride = PackedMatrix::kDepthBlock + 16;

// A part of a packed operand: the outputs from `first_output` on, a multiple of
// kPanelCols, and the depth from `first_depth` on, other than 0 only where the
// operand's depth is at most kDepthBlock.
struct PackedPart {
  const PackedMatrix& matrix;
  int64_t first_output = 0;
  int64_t first_depth = 0;
};

enum class GemmOutput { kOverwrite, kAdd };

// c = a b, or c += a b, for as many outputs of the part as c has columns and as
// much depth as a has. Adding, the blocks' results are added one after another:
// ((c + P0) + P1) + ... So products over consecutive blocks of depth chain to
// the bits of one product over all of it.
void GemmPart(MatrixView<const float> a, const PackedPart& b,
              MatrixView<float> c, GemmOutput output, ThreadPool& pool);

}  // namespace moe

#endif  // MOE_KERNELS_GEMM_GEMM_H_
