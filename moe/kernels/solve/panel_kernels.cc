#include "moe/kernels/solve/panel_kernels.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "moe/kernels/simd/choose_kernel.h"
#include "moe/kernels/simd/highway_targets.h"
#include "moe/kernels/simd/unroll.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "moe/kernels/solve/panel_kernels.cc"
#include "hwy/foreach_target.h"
// After foreach_target.
#include "hwy/cache_control.h"
#include "hwy/highway.h"
#include "moe/kernels/simd/fused_multiply_add-inl.h"

#ifndef MOE_KERNELS_SOLVE_PANEL_KERNELS_SHARED_
#define MOE_KERNELS_SOLVE_PANEL_KERNELS_SHARED_
namespace moe::kernels::internal {

inline bool IsPivot(double value) {
  return value > 0.0 && std::isfinite(value);
}

// Whether all elements of rows [row, ...) and columns before `end` are used.
inline bool IsBelowDiagonal(const PanelProduct& p, int64_t row, int64_t end) {
  return end - 1 <= row + p.diagonal;
}

// The factor is in the triangle; puts it where the matrix was.
inline void CopyFactor(const TriangleFactor& t) {
  for (int64_t i = 0; i < t.size; ++i) {
    for (int64_t s = 0; s <= i; ++s) {
      t.values[i * kRowStride + s] = t.triangle[s * kPanelColumns + i];
    }
  }
}

// y from -y, which nothing has written over.
inline void CopySolution(const TriangleSolve& t) {
  for (int64_t r = 0; r < t.rows; ++r) {
    for (int64_t s = 0; s < t.size; ++s) {
      t.values[r * kRowStride + s] = -t.negated[r * kRowStride + s];
    }
  }
}

}  // namespace moe::kernels::internal
#endif  // MOE_KERNELS_SOLVE_PANEL_KERNELS_SHARED_

HWY_BEFORE_NAMESPACE();
namespace moe::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using internal::kPanelColumns;
using internal::kRowStride;
using internal::PanelProduct;
using internal::TriangleFactor;
using internal::TriangleSolve;

// The tile: rows of A times vectors of a row of the panel, as in gemm.cc.
#if HWY_TARGET == HWY_AVX3
constexpr int kTileRows = 14;  // 28 + 2 + 1 of 32 registers.
constexpr int kTileVectors = 2;
#elif HWY_TARGET == HWY_AVX2
constexpr int kTileRows = 6;  // 12 + 2 + 1 of 16.
constexpr int kTileVectors = 2;
#elif HWY_TARGET == HWY_SSE4
constexpr int kTileRows = 2;
constexpr int kTileVectors = 2;
#else
constexpr int kTileRows = 6;  // NEON: 24 + 4 + 1 of 32.
constexpr int kTileVectors = 4;
#endif

using D = hn::CappedTag<double, 8>;
using V = hn::VFromD<D>;
constexpr int64_t kLanes = static_cast<int64_t>(hn::MaxLanes(D()));
constexpr int64_t kTileCols = kTileVectors * kLanes;
constexpr int64_t kLineDoubles = 8;  // In a cache line.
static_assert(kPanelColumns % kTileCols == 0);

// A part of a product that fits into registers.
struct PanelTile {
  const double* HWY_RESTRICT a;
  const double* HWY_RESTRICT panel;
  int64_t depth;
  double* HWY_RESTRICT c;
  int64_t c_stride;
};

// Steps along k between two requests for memory, so that requests do not fill
// the queue of cache misses.
constexpr int64_t kStepsPerRequest = 8;

// Requests a part of the rows of C below the tile, which mostly are the next.
template <int kRows>
HWY_INLINE void RequestRows(const PanelTile& tile, int64_t k) {
  const int64_t count = kRows * kStepsPerRequest / tile.depth + 1;
  const int64_t begin = k / kStepsPerRequest * count;
  for (int64_t r = begin; r < std::min<int64_t>(begin + count, kRows); ++r) {
    const double* const row = tile.c + (kRows + r) * tile.c_stride;
    for (int64_t j = 0; j < kTileCols; j += kLineDoubles) {
      hwy::Prefetch(row + j);
    }
  }
}

template <int kRows>
void AddTile(const PanelTile& tile) {
  const D d;
  V sums[kRows][kTileVectors];
  MOE_UNROLL
  for (int r = 0; r < kRows; ++r) {
    MOE_UNROLL
    for (int v = 0; v < kTileVectors; ++v) {
      sums[r][v] = hn::LoadU(d, tile.c + r * tile.c_stride + v * kLanes);
    }
  }
  const double* HWY_RESTRICT a = tile.a;
  const double* HWY_RESTRICT panel = tile.panel;
  for (int64_t begin = 0; begin < tile.depth; begin += kStepsPerRequest) {
    RequestRows<kRows>(tile, begin);
    const int64_t end = std::min(begin + kStepsPerRequest, tile.depth);
    for (int64_t k = begin; k < end; ++k) {
      V columns[kTileVectors];
      MOE_UNROLL
      for (int v = 0; v < kTileVectors; ++v) {
        columns[v] = hn::LoadU(d, panel + k * kPanelColumns + v * kLanes);
      }
      MOE_UNROLL
      for (int r = 0; r < kRows; ++r) {
        const V value = hn::Set(d, a[r * kRowStride + k]);
        MOE_UNROLL
        for (int v = 0; v < kTileVectors; ++v) {
          sums[r][v] = Fma(d, value, columns[v], sums[r][v]);
        }
      }
    }
  }
  MOE_UNROLL
  for (int r = 0; r < kRows; ++r) {
    MOE_UNROLL
    for (int v = 0; v < kTileVectors; ++v) {
      hn::StoreU(sums[r][v], d, tile.c + r * tile.c_stride + v * kLanes);
    }
  }
}

using PanelTileFunction = void (*)(const PanelTile&);

template <int kRows>
PanelTileFunction ChooseAddTile(int64_t rows) {
  if constexpr (kRows > 1) {
    if (rows < kRows) return ChooseAddTile<kRows - 1>(rows);
  }
  return &AddTile<kRows>;
}

// A tile of which some columns, or elements above the diagonal, are not there
// goes through a buffer. Row r has cols_of(r) elements.
template <typename ColsOf>
void AddEdgeTile(const PanelTile& tile, int64_t rows, ColsOf cols_of) {
  HWY_ALIGN double buffer[kTileRows * kTileCols] = {};
  for (int64_t r = 0; r < rows; ++r) {
    const double* const row = tile.c + r * tile.c_stride;
    std::copy(row, row + cols_of(r), buffer + r * kTileCols);
  }
  PanelTile inner = tile;
  inner.c = buffer;
  inner.c_stride = kTileCols;
  ChooseAddTile<kTileRows>(rows)(inner);
  for (int64_t r = 0; r < rows; ++r) {
    const double* const row = buffer + r * kTileCols;
    std::copy(row, row + cols_of(r), tile.c + r * tile.c_stride);
  }
}

// Columns [col, col + kTileCols) of the product.
void AddPanelColumns(const PanelProduct& p, int64_t col) {
  const int64_t cols = std::min(kTileCols, p.cols - col);
  // Tiles of about equal height: a low one would keep the units waiting.
  const int64_t num_tiles = (p.rows + kTileRows - 1) / kTileRows;
  for (int64_t i = 0; i < num_tiles; ++i) {
    const int64_t row = p.rows * i / num_tiles;
    const int64_t height = p.rows * (i + 1) / num_tiles - row;
    if (row + height - 1 + p.diagonal < col) continue;  // Above the diagonal.
    const PanelTile tile{p.a + row * kRowStride, p.panel + col, p.depth,
                         p.c + row * p.c_stride + col, p.c_stride};
    if (cols == kTileCols && internal::IsBelowDiagonal(p, row, col + cols)) {
      ChooseAddTile<kTileRows>(height)(tile);
    } else {
      AddEdgeTile(tile, height, [&](int64_t r) {
        return std::clamp<int64_t>(row + r + p.diagonal + 1 - col, 0, cols);
      });
    }
  }
}

void AddPanelProduct(const PanelProduct& p) {
  if (p.depth == 0) return;
  for (int64_t col = 0; col < p.cols; col += kTileCols) AddPanelColumns(p, col);
}

// values[j] = fma(-y, row[j], values[j]) for the vectors of 16 columns from the
// one that holds column `first` on.
HWY_INLINE void SubtractFrom(int64_t first, double negated,
                             const double* HWY_RESTRICT row,
                             double* HWY_RESTRICT values) {
  const D d;
  const V factor = hn::Set(d, negated);
  for (int64_t j = first / kLanes * kLanes; j < kPanelColumns; j += kLanes) {
    hn::StoreU(Fma(d, factor, hn::LoadU(d, row + j), hn::LoadU(d, values + j)),
               d, values + j);
  }
}

// The vectors also change columns up to s, which are done: the solution is kept
// in `negated`.
void SolveTriangle(const TriangleSolve& t) {
  for (int64_t s = 0; s < t.size; ++s) {
    const double* const row = t.triangle + s * kPanelColumns;
    for (int64_t r = 0; r < t.rows; ++r) {
      double* const values = t.values + r * kRowStride;
      const double negated = -(values[s] / row[s]);
      t.negated[r * kRowStride + s] = negated;
      SubtractFrom(s + 1, negated, row, values);
    }
  }
  internal::CopySolution(t);
}

int64_t FactorTriangle(const TriangleFactor& t) {
  for (int64_t s = 0; s < t.size; ++s) {
    double* const row = t.triangle + s * kPanelColumns;
    const double pivot = t.values[s * kRowStride + s];
    if (!internal::IsPivot(pivot)) return s;
    row[s] = std::sqrt(pivot);
    for (int64_t i = s + 1; i < t.size; ++i) {
      row[i] = t.values[i * kRowStride + s] / row[s];
    }
    for (int64_t i = s + 1; i < t.size; ++i) {
      SubtractFrom(s + 1, -row[i], row, t.values + i * kRowStride);
    }
  }
  internal::CopyFactor(t);
  return -1;
}

}  // namespace HWY_NAMESPACE
}  // namespace moe::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace moe::kernels {
namespace scalar {
namespace {

using internal::kPanelColumns;
using internal::kRowStride;

void AddPanelProduct(const internal::PanelProduct& p) {
  for (int64_t r = 0; r < p.rows; ++r) {
    const int64_t cols = std::min(p.cols, r + p.diagonal + 1);
    for (int64_t j = 0; j < cols; ++j) {
      double& sum = p.c[r * p.c_stride + j];
      for (int64_t k = 0; k < p.depth; ++k) {
        sum = std::fma(p.a[r * kRowStride + k], p.panel[k * kPanelColumns + j],
                       sum);
      }
    }
  }
}

void SolveTriangle(const internal::TriangleSolve& t) {
  for (int64_t r = 0; r < t.rows; ++r) {
    double* const values = t.values + r * kRowStride;
    double* const negated = t.negated + r * kRowStride;
    for (int64_t s = 0; s < t.size; ++s) {
      const double* const row = t.triangle + s * kPanelColumns;
      negated[s] = -(values[s] / row[s]);
      for (int64_t j = s + 1; j < t.size; ++j) {
        values[j] = std::fma(negated[s], row[j], values[j]);
      }
    }
  }
  internal::CopySolution(t);
}

int64_t FactorTriangle(const internal::TriangleFactor& t) {
  for (int64_t s = 0; s < t.size; ++s) {
    double* const row = t.triangle + s * kPanelColumns;
    const double pivot = t.values[s * kRowStride + s];
    if (!internal::IsPivot(pivot)) return s;
    row[s] = std::sqrt(pivot);
    for (int64_t i = s + 1; i < t.size; ++i) {
      double* const values = t.values + i * kRowStride;
      row[i] = values[s] / row[s];
      for (int64_t j = s + 1; j <= i; ++j) {
        values[j] = std::fma(-row[i], row[j], values[j]);
      }
    }
  }
  internal::CopyFactor(t);
  return -1;
}

}  // namespace
}  // namespace scalar

namespace {

HWY_EXPORT(AddPanelProduct);
HWY_EXPORT(SolveTriangle);
HWY_EXPORT(FactorTriangle);

}  // namespace

internal::PanelKernels internal::ChoosePanelKernels() {
  return {MOE_CHOOSE_KERNEL(AddPanelProduct), MOE_CHOOSE_KERNEL(SolveTriangle),
          MOE_CHOOSE_KERNEL(FactorTriangle)};
}

}  // namespace moe::kernels
#endif  // HWY_ONCE
