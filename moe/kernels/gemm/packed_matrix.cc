#include "moe/kernels/gemm/packed_matrix.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "moe/base/aligned_buffer.h"
#include "moe/base/check.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/gemm/half_types.h"

namespace moe::kernels {
namespace {

constexpr int64_t kDepthBlock = PackedMatrix::kDepthBlock;
constexpr int64_t kPanelCols = PackedMatrix::kPanelCols;

constexpr int64_t ElementBytes(WeightType type) {
  return type == WeightType::kFloat32 ? 4 : 2;
}

// The floats of a cache line: the side of the squares below.
constexpr int64_t kSquare = 16;

// The number at `bytes`, of any alignment.
template <WeightType type>
float LoadWeight(const char* bytes) {
  if constexpr (type == WeightType::kFloat32) {
    float value;
    std::memcpy(&value, bytes, sizeof(value));
    return value;
  } else if constexpr (type == WeightType::kBFloat16) {
    return BFloat16ToFloat(LoadUint16(bytes));
  } else {
    return Float16ToFloat(LoadUint16(bytes));
  }
}

// The bytes of the row from element [row, col] on.
template <WeightType type>
const char* BytesAt(const WeightView& view, int64_t row, int64_t col) {
  return static_cast<const char*>(view.data) +
         (row * view.stride + col) * ElementBytes(type);
}

template <WeightType type>
void LoadWeights(const char* bytes, int64_t count, float* out) {
  // With a count that the compiler knows, this is a few vector instructions.
  if (count == kSquare) {
    for (int64_t i = 0; i < kSquare; ++i) {
      out[i] = LoadWeight<type>(bytes + i * ElementBytes(type));
    }
    return;
  }
  for (int64_t i = 0; i < count; ++i) {
    out[i] = LoadWeight<type>(bytes + i * ElementBytes(type));
  }
}

// Where a panel of a block starts in the operand, and its size.
struct PanelRange {
  int64_t k_begin;
  int64_t k_count;
  int64_t col;
  int64_t width;
};

// Packs a panel of B[N, K]: rows [col, col + width) of B become columns. Works
// in squares, so that reads and writes both stay in the cache.
template <WeightType type>
void PackPanel(const WeightView& b, const PanelRange& range, float* panel) {
  float rows[kPanelCols][kSquare] = {};
  for (int64_t k = 0; k < range.k_count; k += kSquare) {
    const int64_t count = std::min(kSquare, range.k_count - k);
    for (int64_t j = 0; j < range.width; ++j) {
      LoadWeights<type>(BytesAt<type>(b, range.col + j, range.k_begin + k),
                        count, rows[j]);
    }
    for (int64_t i = 0; i < count; ++i) {
      float* const out = panel + (k + i) * kPanelCols;
      for (int64_t j = 0; j < kPanelCols; ++j) out[j] = rows[j][i];
    }
  }
}

static_assert(kPanelCols == 2 * kSquare);

// The same for B[K, N]: a row of the panel is a piece of a row of B.
template <WeightType type>
void PackPanelTransposed(const WeightView& b, const PanelRange& range,
                         float* panel) {
  for (int64_t k = 0; k < range.k_count; ++k) {
    const char* const bytes = BytesAt<type>(b, range.k_begin + k, range.col);
    float* const out = panel + k * kPanelCols;
    if (range.width == kPanelCols) {  // With counts that the compiler knows.
      LoadWeights<type>(bytes, kSquare, out);
      LoadWeights<type>(bytes + kSquare * ElementBytes(type), kSquare,
                        out + kSquare);
      continue;
    }
    for (int64_t j = 0; j < range.width; j += kSquare) {
      LoadWeights<type>(bytes + j * ElementBytes(type),
                        std::min(kSquare, range.width - j), out + j);
    }
    std::fill(out + range.width, out + kPanelCols, 0.0f);
  }
}

using PackFunction = void (*)(const WeightView&, const PanelRange&, float*);

PackFunction ChoosePack(WeightType type, bool transposed) {
  switch (type) {
    case WeightType::kFloat32:
      return transposed ? &PackPanelTransposed<WeightType::kFloat32>
                        : &PackPanel<WeightType::kFloat32>;
    case WeightType::kBFloat16:
      return transposed ? &PackPanelTransposed<WeightType::kBFloat16>
                        : &PackPanel<WeightType::kBFloat16>;
    case WeightType::kFloat16:
      return transposed ? &PackPanelTransposed<WeightType::kFloat16>
                        : &PackPanel<WeightType::kFloat16>;
  }
  MOE_CHECK(false);
  return nullptr;
}

void PackAll(const WeightView& b, bool transposed, PackedMatrix& packed,
             base::ThreadPool& pool) {
  const PackFunction pack_panel = ChoosePack(b.type, transposed);
  const int64_t num_panels = packed.num_panels();
  const int64_t num_blocks = (packed.depth() + kDepthBlock - 1) / kDepthBlock;
  pool.ParallelFor(
      0, num_panels * num_blocks, /*grain=*/1, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          const int64_t block = i / num_panels;
          const int64_t panel = i % num_panels;
          const int64_t k_begin = block * kDepthBlock;
          const int64_t col = panel * kPanelCols;
          const PanelRange range = {
              k_begin, std::min(kDepthBlock, packed.depth() - k_begin), col,
              std::min(kPanelCols, packed.num_outputs() - col)};
          pack_panel(b, range, const_cast<float*>(packed.Panel(block, panel)));
        }
      });
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

WeightView::WeightView(base::MatrixView<const float> matrix)
    : WeightView(matrix.data, WeightType::kFloat32, matrix.rows, matrix.cols,
                 matrix.stride) {}

void PackedMatrix::Resize(int64_t num_outputs, int64_t depth) {
  num_outputs_ = num_outputs;
  depth_ = depth;
  values_.Reserve(num_panels() * kPanelCols * depth);
}

const float* PackedMatrix::Panel(int64_t block, int64_t panel) const {
  const int64_t k_begin = block * kDepthBlock;
  const int64_t k_count = std::min(kDepthBlock, depth_ - k_begin);
  return values_.data() +
         (k_begin * num_panels() + k_count * panel) * kPanelCols;
}

void PackedMatrix::Repack(const WeightView& b, base::ThreadPool& pool) {
  Resize(b.rows, b.cols);
  PackAll(b, /*transposed=*/false, *this, pool);
}

void PackedMatrix::RepackTransposed(const WeightView& b,
                                    base::ThreadPool& pool) {
  Resize(b.cols, b.rows);
  PackAll(b, /*transposed=*/true, *this, pool);
}

PackedMatrix PackedMatrix::Pack(const WeightView& b, base::ThreadPool& pool) {
  PackedMatrix packed;
  packed.Repack(b, pool);
  return packed;
}

PackedMatrix PackedMatrix::PackTransposed(const WeightView& b,
                                          base::ThreadPool& pool) {
  PackedMatrix packed;
  packed.RepackTransposed(b, pool);
  return packed;
}

}  // namespace moe::kernels
