// The right-hand operand of a matrix product, in the order in which the product
// reads it.
//
// Weights are packed once and used for every batch. The layout is the same on
// every SIMD target: blocks of kDepthBlock along the contracted axis; in each
// block panels of kPanelCols outputs; in each panel one row of kPanelCols
// floats for each contracted index. Outputs past the last are zeros. Weights of
// 16 bits become floats here, exactly. No product takes them in 16 bits.

#ifndef MOE_KERNELS_GEMM_PACKED_MATRIX_H_
#define MOE_KERNELS_GEMM_PACKED_MATRIX_H_

#include <cstdint>

#include "moe/base/aligned_buffer.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"

namespace moe::kernels {

// How the numbers of a matrix are stored, little-endian.
enum class WeightType { kFloat32, kBFloat16, kFloat16 };

// A row-major matrix of one of those types. The data need no alignment.
struct WeightView {
  const void* data = nullptr;
  WeightType type = WeightType::kFloat32;
  int64_t rows = 0;
  int64_t cols = 0;
  int64_t stride = 0;  // In elements, at least cols.

  WeightView(const void* values, WeightType weight_type, int64_t num_rows,
             int64_t num_cols);
  WeightView(const void* values, WeightType weight_type, int64_t num_rows,
             int64_t num_cols, int64_t row_stride);
  WeightView(
      base::MatrixView<const float> matrix);  // NOLINT: converts on purpose.
};

class PackedMatrix {
 public:
  // Part of the numerics contract: the length of a chain of fused
  // multiply-adds. A change of it changes every result.
  static constexpr int64_t kDepthBlock = 256;
  // Part of the layout only. Two vectors of 16 floats: with 14 rows they fill
  // the 32 registers of AVX-512. Every other target takes a part of a panel at
  // a time.
  static constexpr int64_t kPanelCols = 32;

  PackedMatrix() = default;

  // For C[M, N] = A[M, K] B[N, K]^T: `b` is B, [num_outputs, depth]. This is
  // the weight of a linear layer in the forward pass.
  static PackedMatrix Pack(const WeightView& b, base::ThreadPool& pool);

  // For C[M, N] = A[M, K] B[K, N]: `b` is B, [depth, num_outputs]. This is the
  // same weight W in the backward pass: dX[M, K] = dY[M, N] W[N, K].
  static PackedMatrix PackTransposed(const WeightView& b,
                                     base::ThreadPool& pool);

  // The same into this object. Keeps its memory if it is large enough.
  void Repack(const WeightView& b, base::ThreadPool& pool);
  void RepackTransposed(const WeightView& b, base::ThreadPool& pool);

  int64_t num_outputs() const { return num_outputs_; }
  int64_t depth() const { return depth_; }
  int64_t num_panels() const {
    return (num_outputs_ + kPanelCols - 1) / kPanelCols;
  }
  int64_t size_bytes() const {
    return values_.size() * static_cast<int64_t>(sizeof(float));
  }

  // [min(kDepthBlock, depth - block * kDepthBlock), kPanelCols] floats.
  const float* Panel(int64_t block, int64_t panel) const;

 private:
  void Resize(int64_t num_outputs, int64_t depth);

  int64_t num_outputs_ = 0;
  int64_t depth_ = 0;
  base::AlignedBuffer<float> values_;
};

}  // namespace moe::kernels

#endif  // MOE_KERNELS_GEMM_PACKED_MATRIX_H_
