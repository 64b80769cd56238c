#include "moe/kernels/gemm/packed_matrix.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "moe/base/check.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/gemm/half_types.h"
#include "moe/kernels/simd/aligned_buffer.h"
#include "moe/kernels/simd/matrix_view.h"

namespace moe {
namespace {

constexpr int64_t kDepthBlock = PackedMatrix::kDepthBlock;
constexpr int64_t kPanelCols = PackedMatrix::kPanelCols;

int64_t ElementBytes(WeightType type) {
  return type == WeightType::kFloat32 ? 4 : 2;
}

// Numbers [begin, begin + count) of row `row` into `out`.
void LoadRow(const WeightView& view, int64_t row, int64_t begin, int64_t count,
             float* out) {
  const char* const bytes =
      static_cast<const char*>(view.data) +
      (row * view.stride + begin) * ElementBytes(view.type);
  switch (view.type) {
    case WeightType::kFloat32:
      std::memcpy(out, bytes, static_cast<size_t>(count) * sizeof(float));
      return;
    case WeightType::kBFloat16:
      for (int64_t i = 0; i < count; ++i) {
        out[i] = BFloat16ToFloat(LoadUint16(bytes + 2 * i));
      }
      return;
    case WeightType::kFloat16:
      for (int64_t i = 0; i < count; ++i) {
        out[i] = Float16ToFloat(LoadUint16(bytes + 2 * i));
      }
      return;
  }
}

// One panel of one block of B[N, K]: rows [col, col + width) of B become
// columns. In squares, so that what is read and what is written both stay in
// the cache.
void PackPanel(const WeightView& b, int64_t k_begin, int64_t k_count,
               int64_t col, int64_t width, float* panel) {
  constexpr int64_t kSquare = 16;  // Floats of a cache line.
  float rows[kPanelCols][kSquare] = {};
  for (int64_t k = 0; k < k_count; k += kSquare) {
    const int64_t count = std::min(kSquare, k_count - k);
    for (int64_t j = 0; j < width; ++j) {
      LoadRow(b, col + j, k_begin + k, count, rows[j]);
    }
    for (int64_t i = 0; i < count; ++i) {
      float* const out = panel + (k + i) * kPanelCols;
      for (int64_t j = 0; j < kPanelCols; ++j) out[j] = rows[j][i];
    }
  }
}

// The same of B[K, N]: a panel's row is a piece of a row of B.
void PackPanelTransposed(const WeightView& b, int64_t k_begin, int64_t k_count,
                         int64_t col, int64_t width, float* panel) {
  for (int64_t k = 0; k < k_count; ++k) {
    float* const out = panel + k * kPanelCols;
    LoadRow(b, k_begin + k, col, width, out);
    std::fill(out + width, out + kPanelCols, 0.0f);
  }
}

}  // namespace

WeightView::WeightView(const void* values, WeightType weight_type,
                       int64_t num_rows, int64_t num_cols, int64_t row_stride)
    : data(values),
      type(weight_type),
      rows(num_rows),
      cols(num_cols),
      stride(row_stride) {
  MOE_CHECK(rows >= 0 && cols >= 0 && stride >= cols);
}

WeightView::WeightView(const void* values, WeightType weight_type,
                       int64_t num_rows, int64_t num_cols)
    : WeightView(values, weight_type, num_rows, num_cols, num_cols) {}

WeightView::WeightView(MatrixView<const float> matrix)
    : WeightView(matrix.data, WeightType::kFloat32, matrix.rows, matrix.cols,
                 matrix.stride) {}

PackedMatrix::PackedMatrix(int64_t num_outputs, int64_t depth)
    : num_outputs_(num_outputs),
      depth_(depth),
      values_((num_outputs + kPanelCols - 1) / kPanelCols * kPanelCols *
              depth) {}

const float* PackedMatrix::Panel(int64_t block, int64_t panel) const {
  const int64_t k_begin = block * kDepthBlock;
  const int64_t k_count = std::min(kDepthBlock, depth_ - k_begin);
  return values_.data() +
         (k_begin * num_panels() + k_count * panel) * kPanelCols;
}

template <typename PackFunction>
static void PackAll(PackedMatrix& packed, ThreadPool& pool,
                    PackFunction pack_panel) {
  const int64_t num_panels = packed.num_panels();
  const int64_t num_blocks = (packed.depth() + kDepthBlock - 1) / kDepthBlock;
  pool.ParallelFor(
      0, num_panels * num_blocks, /*grain=*/1, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          const int64_t block = i / num_panels;
          const int64_t panel = i % num_panels;
          const int64_t k_begin = block * kDepthBlock;
          const int64_t col = panel * kPanelCols;
          pack_panel(k_begin, std::min(kDepthBlock, packed.depth() - k_begin),
                     col, std::min(kPanelCols, packed.num_outputs() - col),
                     const_cast<float*>(packed.Panel(block, panel)));
        }
      });
}

PackedMatrix PackedMatrix::Pack(const WeightView& b, ThreadPool& pool) {
  PackedMatrix packed(b.rows, b.cols);
  PackAll(packed, pool, [&](auto... where) { PackPanel(b, where...); });
  return packed;
}

PackedMatrix PackedMatrix::PackTransposed(const WeightView& b,
                                          ThreadPool& pool) {
  PackedMatrix packed(b.cols, b.rows);
  PackAll(packed, pool,
          [&](auto... where) { PackPanelTransposed(b, where...); });
  return packed;
}

}  // namespace moe
