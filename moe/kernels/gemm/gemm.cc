#include "moe/kernels/gemm/gemm.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>

#include "moe/base/aligned_buffer.h"
#include "moe/base/check.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/gemm/packed_matrix.h"
#include "moe/kernels/simd/highway_targets.h"
#include "moe/kernels/simd/simd_target.h"
#include "moe/kernels/simd/unroll.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "moe/kernels/gemm/gemm.cc"
#include "hwy/foreach_target.h"
// After foreach_target.
#include "hwy/cache_control.h"
#include "hwy/highway.h"
#include "moe/kernels/simd/fused_multiply_add-inl.h"

#ifndef MOE_KERNELS_GEMM_TASK_
#define MOE_KERNELS_GEMM_TASK_
namespace moe::kernels::internal {

// A block of the result: rows [row_begin, row_end) times panels
// [panel_begin, panel_end), counted from the first of the part.
struct GemmTask {
  base::MatrixView<const float> a;
  PackedPart b;
  base::MatrixView<float> c;
  GemmOutput output;
  int64_t row_begin;
  int64_t row_end;
  int64_t panel_begin;
  int64_t panel_end;
};

inline constexpr int64_t kDepthBlock = PackedMatrix::kDepthBlock;
inline constexpr int64_t kPanelCols = PackedMatrix::kPanelCols;
inline constexpr int64_t kLineFloats = 16;  // In a cache line.

// The rows of a task. A buffer of at most 238 KiB holds 256 floats of each row
// of A: a quarter of a 1 MiB second-level cache. A multiple of every target's
// tile.
inline constexpr int64_t kMaxTaskRows = 224;

// The buffer's rows are 17 cache lines apart. At a multiple of 4 KiB they would
// fall into the same set of the first-level cache.
inline constexpr int64_t kBufferStride = kGemmRowStride;
static_assert(kBufferStride == kDepthBlock + 16);

// Rows [row_begin, row_end) of `a`, k_count floats from k_begin on,
// kBufferStride apart.
inline const float* RowsInBuffer(const GemmTask& task, int64_t k_begin,
                                 int64_t k_count) {
  if (task.a.stride == kBufferStride) {
    return task.a.RowData(task.row_begin) + k_begin;
  }
  thread_local base::AlignedBuffer<float> buffer;
  float* const out =
      buffer.Reserve((task.row_end - task.row_begin) * kBufferStride);
  // The hardware does not prefetch rows on other pages.
  constexpr int64_t kRowsAhead = 2;
  for (int64_t r = task.row_begin; r < task.row_end; ++r) {
    if (r + kRowsAhead < task.row_end) {
      const float* const ahead = task.a.RowData(r + kRowsAhead) + k_begin;
      for (int64_t i = 0; i < k_count; i += kLineFloats) {
        hwy::Prefetch(ahead + i);
      }
    }
    std::memcpy(out + (r - task.row_begin) * kBufferStride,
                task.a.RowData(r) + k_begin,
                static_cast<size_t>(k_count) * sizeof(float));
  }
  return out;
}

// Panel `panel` of the part for the block of depth that begins at `k`.
inline const float* PanelOf(const GemmTask& task, int64_t k, int64_t panel) {
  return task.b.matrix.Panel(k / kDepthBlock,
                             task.b.first_output / kPanelCols + panel) +
         task.b.first_depth * kPanelCols;
}

}  // namespace moe::kernels::internal
#endif  // MOE_KERNELS_GEMM_TASK_

HWY_BEFORE_NAMESPACE();
namespace moe::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using internal::GemmTask;
using internal::kBufferStride;
using internal::kDepthBlock;
using internal::kLineFloats;
using internal::kPanelCols;

// The tile: rows of A times vectors of a row of the panel. The accumulators, a
// row of the panel and one number of A are in registers at once.
#if HWY_TARGET == HWY_AVX3
constexpr int kTileRows = 14;  // 28 + 2 + 1 of 32 registers.
constexpr int kTileVectors = 2;
#elif HWY_TARGET == HWY_AVX2
constexpr int kTileRows = 6;  // 12 + 2 + 1 of 16.
constexpr int kTileVectors = 2;
#elif HWY_TARGET == HWY_SSE4
constexpr int kTileRows = 2;  // The software multiply-add needs the rest.
constexpr int kTileVectors = 2;
#else
constexpr int kTileRows = 6;  // NEON: 24 + 4 + 1 of 32.
constexpr int kTileVectors = 4;
#endif

using D = hn::CappedTag<float, 16>;
using V = hn::VFromD<D>;
constexpr int64_t kLanes = static_cast<int64_t>(hn::MaxLanes(D()));
constexpr int64_t kTileCols = kTileVectors * kLanes;
static_assert(kPanelCols % kTileCols == 0);

// A tile's part of a product: c = a b for one block of k if `is_first`, else
// c += a b. The rows of `a` are kBufferStride apart, those of `b` kPanelCols.
struct Tile {
  const float* HWY_RESTRICT a;
  const float* HWY_RESTRICT b;
  int64_t depth;
  bool is_first;
  float* HWY_RESTRICT c;
  int64_t c_stride;
  // The memory that is read next. It is requested while this is multiplied.
  const float* ahead;
  int64_t ahead_lines;
};

// Steps along k between two requests for memory. A burst of requests would fill
// the queue of cache misses and stall the units.
constexpr int64_t kStepsPerRequest = 8;

// Makes the requests of one step out of `num_requests`: for `ahead`, and for
// the result, which is needed only at the end.
template <int kRows, int kVectors>
HWY_INLINE void RequestLines(const Tile& tile, int64_t request,
                             int64_t num_requests) {
  const int64_t ahead_count = tile.ahead_lines / num_requests + 1;
  const int64_t ahead_end =
      std::min((request + 1) * ahead_count, tile.ahead_lines);
  for (int64_t i = request * ahead_count; i < ahead_end; ++i) {
    hwy::Prefetch(tile.ahead + i * kLineFloats);
  }
  constexpr int64_t kLinesPerRow =
      (kVectors * kLanes + kLineFloats - 1) / kLineFloats;
  constexpr int64_t kLines = kRows * kLinesPerRow;
  const int64_t count = kLines / num_requests + 1;
  const int64_t end = std::min((request + 1) * count, kLines);
  for (int64_t i = request * count; i < end; ++i) {
    hwy::Prefetch(tile.c + i / kLinesPerRow * tile.c_stride +
                  i % kLinesPerRow * kLineFloats);
  }
}

template <int kRows, int kVectors>
void MultiplyTile(const Tile& tile) {
  const D d;
  V sums[kRows][kVectors];
  MOE_UNROLL
  for (int r = 0; r < kRows; ++r) {
    MOE_UNROLL
    for (int v = 0; v < kVectors; ++v) sums[r][v] = hn::Zero(d);
  }
  const float* HWY_RESTRICT a = tile.a;
  const float* HWY_RESTRICT b = tile.b;
  const int64_t num_requests =
      (tile.depth + kStepsPerRequest - 1) / kStepsPerRequest;
  for (int64_t request = 0; request < num_requests; ++request) {
    RequestLines<kRows, kVectors>(tile, request, num_requests);
    const int64_t k_end =
        std::min((request + 1) * kStepsPerRequest, tile.depth);
    for (int64_t k = request * kStepsPerRequest; k < k_end; ++k) {
      V columns[kVectors];
      MOE_UNROLL
      for (int v = 0; v < kVectors; ++v) {
        columns[v] = hn::LoadU(d, b + k * kPanelCols + v * kLanes);
      }
      MOE_UNROLL
      for (int r = 0; r < kRows; ++r) {
        const V value = hn::Set(d, a[r * kBufferStride + k]);
        MOE_UNROLL
        for (int v = 0; v < kVectors; ++v) {
          sums[r][v] = Fma(d, value, columns[v], sums[r][v]);
        }
      }
    }
  }
  MOE_UNROLL
  for (int r = 0; r < kRows; ++r) {
    MOE_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      float* const out = tile.c + r * tile.c_stride + v * kLanes;
      const V sum =
          tile.is_first ? sums[r][v] : hn::Add(hn::LoadU(d, out), sums[r][v]);
      hn::StoreU(sum, d, out);
    }
  }
}

using TileFunction = void (*)(const Tile&);

template <int kRows, int kVectors>
TileFunction ChooseTile(int64_t rows) {
  if constexpr (kRows > 1) {
    if (rows < kRows) return ChooseTile<kRows - 1, kVectors>(rows);
  }
  return &MultiplyTile<kRows, kVectors>;
}

// The function for all columns of the tile, or for those of its first vector
// alone: with few outputs, such as distances to a few centres, half of the work
// would be lost.
TileFunction ChooseTile(int64_t rows, int64_t cols) {
  return cols <= kLanes ? ChooseTile<kTileRows, 1>(rows)
                        : ChooseTile<kTileRows, kTileVectors>(rows);
}

// A tile that reaches past the last column goes through a buffer.
void MultiplyEdge(Tile tile, int64_t rows, int64_t cols) {
  float buffer[kTileRows * kTileCols];
  float* const c = std::exchange(tile.c, buffer);
  const int64_t c_stride = std::exchange(tile.c_stride, kTileCols);
  const bool is_first = std::exchange(tile.is_first, true);
  ChooseTile(rows, cols)(tile);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t j = 0; j < cols; ++j) {
      float& out = c[r * c_stride + j];
      const float partial = buffer[r * kTileCols + j];
      out = is_first ? partial : out + partial;
    }
  }
}

// A panel's part of a block of k, and the task's rows of A for it.
struct PanelBlock {
  const float* a;
  const float* panel;
  int64_t depth;
  bool is_first;
};

// Multiplies all rows of the task with kTileCols columns, from `panel_col` on,
// of a panel that starts at column `first_col` of the result. Meanwhile it
// prefetches a part of what follows in memory, which is mostly the next panel.
void MultiplyColumns(const GemmTask& task, const PanelBlock& block,
                     int64_t first_col, int64_t panel_col) {
  const int64_t rows = task.row_end - task.row_begin;
  const int64_t col = first_col + panel_col;
  const int64_t cols = std::min(kTileCols, task.c.cols - col);
  const float* const ahead =
      block.panel + block.depth * (kPanelCols + panel_col);
  const int64_t ahead_lines = block.depth * kTileCols / kLineFloats;
  // Tiles of about equal height: a low one would keep the units waiting.
  const int64_t num_tiles = (rows + kTileRows - 1) / kTileRows;
  for (int64_t i = 0; i < num_tiles; ++i) {
    const int64_t begin = rows * i / num_tiles;
    const int64_t height = rows * (i + 1) / num_tiles - begin;
    const int64_t first_line = ahead_lines * i / num_tiles;
    const Tile tile{block.a + begin * kBufferStride,
                    block.panel + panel_col,
                    block.depth,
                    block.is_first,
                    task.c.RowData(task.row_begin + begin) + col,
                    task.c.stride,
                    ahead + first_line * kLineFloats,
                    ahead_lines * (i + 1) / num_tiles - first_line};
    if (cols == kTileCols) {
      ChooseTile(height, cols)(tile);
    } else {
      MultiplyEdge(tile, height, cols);
    }
  }
}

void RunGemmTask(const GemmTask& task) {
  const int64_t depth = task.a.cols;
  for (int64_t k = 0; k < depth; k += kDepthBlock) {
    const int64_t k_count = std::min(kDepthBlock, depth - k);
    const float* const a = internal::RowsInBuffer(task, k, k_count);
    for (int64_t p = task.panel_begin; p < task.panel_end; ++p) {
      const PanelBlock block{a, internal::PanelOf(task, k, p), k_count,
                             k == 0 && task.output == GemmOutput::kOverwrite};
      const int64_t first_col = p * kPanelCols;
      for (int64_t j = 0; j < kPanelCols && first_col + j < task.c.cols;
           j += kTileCols) {
        MultiplyColumns(task, block, first_col, j);
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace moe::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace moe::kernels {
namespace {

using internal::GemmTask;
using internal::kDepthBlock;
using internal::kMaxTaskRows;
using internal::kPanelCols;

HWY_EXPORT(RunGemmTask);

// The same without vectors, for MOE_SIMD_TARGET=scalar.
void RunGemmTaskScalar(const GemmTask& task) {
  const int64_t depth = task.a.cols;
  const int64_t col_end = std::min(task.panel_end * kPanelCols, task.c.cols);
  const bool adds = task.output == GemmOutput::kAdd;
  for (int64_t m = task.row_begin; m < task.row_end; ++m) {
    const float* const a = task.a.RowData(m);
    for (int64_t n = task.panel_begin * kPanelCols; n < col_end; ++n) {
      float result = adds ? task.c.RowData(m)[n] : 0.0f;
      for (int64_t begin = 0; begin < depth; begin += kDepthBlock) {
        const float* const b =
            internal::PanelOf(task, begin, n / kPanelCols) + n % kPanelCols;
        float partial = 0.0f;
        for (int64_t k = begin; k < std::min(begin + kDepthBlock, depth); ++k) {
          partial = std::fma(a[k], b[(k - begin) * kPanelCols], partial);
        }
        result = begin == 0 && !adds ? partial : result + partial;
      }
      task.c.RowData(m)[n] = result;
    }
  }
}

void RunTask(const GemmTask& task) {
  if (task.a.cols == 0) {
    if (task.output == GemmOutput::kAdd) return;
    for (int64_t m = task.row_begin; m < task.row_end; ++m) {
      for (float& out : task.c.Row(m)) out = 0.0f;
    }
  } else if (IsScalarTarget()) {
    RunGemmTaskScalar(task);
  } else {
    HWY_DYNAMIC_DISPATCH(RunGemmTask)(task);
  }
}

int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

// The number of parts that the rows are cut into: a multiple of the number of
// threads, if the parts stay high enough to pay for loading a panel.
int64_t NumRowBlocks(int64_t rows, int num_threads) {
  constexpr int64_t kMinTaskRows = kMaxTaskRows / 2;
  const int64_t fewest = CeilDiv(rows, kMaxTaskRows);
  const int64_t even = CeilDiv(fewest, num_threads) * num_threads;
  return rows >= even * kMinTaskRows ? even : fewest;
}

// The number of parts that the panels are cut into. A part is narrow enough
// that a task's part of the result stays in the second-level cache between
// blocks of k (224 x 1024 floats), and that every thread gets a few tasks. It
// is wide enough that copying A, which each task does, costs little beside the
// products. The number of tasks is a multiple of the threads, so that none
// waits for the last.
int64_t NumColBlocks(int64_t num_panels, int64_t num_row_blocks,
                     int num_threads) {
  constexpr int64_t kMaxPanels = 32;
  constexpr int64_t kMinPanels = 6;
  constexpr int64_t kTasksPerThread = 3;
  const int64_t fewest = CeilDiv(num_panels, kMaxPanels);
  if (num_threads == 1) return fewest;
  const int64_t most = std::max(fewest, num_panels / kMinPanels);
  const int64_t enough =
      std::max(fewest, CeilDiv(num_threads * kTasksPerThread, num_row_blocks));
  for (int64_t blocks = enough; blocks <= std::min(most, enough + num_threads);
       ++blocks) {
    if (num_row_blocks * blocks % num_threads == 0) return blocks;
  }
  return std::min(enough, most);
}

void RunTasks(base::MatrixView<const float> a, const PackedPart& b,
              base::MatrixView<float> c, GemmOutput output,
              base::ThreadPool& pool) {
  if (c.rows == 0 || c.cols == 0) return;
  const int64_t num_panels = CeilDiv(c.cols, kPanelCols);
  const int64_t num_row_blocks = NumRowBlocks(c.rows, pool.num_threads());
  const int64_t num_col_blocks =
      NumColBlocks(num_panels, num_row_blocks, pool.num_threads());
  pool.ParallelFor(
      0, num_row_blocks * num_col_blocks, /*grain=*/1,
      [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          // Row blocks are the inner loop, so that neighbours share panels.
          const int64_t row_block = i % num_row_blocks;
          const int64_t col_block = i / num_row_blocks;
          RunTask({a, b, c, output, c.rows * row_block / num_row_blocks,
                   c.rows * (row_block + 1) / num_row_blocks,
                   num_panels * col_block / num_col_blocks,
                   num_panels * (col_block + 1) / num_col_blocks});
        }
      });
}

}  // namespace

void Gemm(base::MatrixView<const float> a, const PackedMatrix& b,
          base::MatrixView<float> c, base::ThreadPool& pool) {
  MOE_CHECK(a.cols == b.depth() && a.rows == c.rows &&
            b.num_outputs() == c.cols);
  RunTasks(a, {b}, c, GemmOutput::kOverwrite, pool);
}

void GemmPart(base::MatrixView<const float> a, const PackedPart& b,
              base::MatrixView<float> c, GemmOutput output,
              base::ThreadPool& pool) {
  MOE_CHECK(a.rows == c.rows && b.first_output >= 0 && b.first_depth >= 0 &&
            b.first_output % kPanelCols == 0 &&
            b.first_output + c.cols <= b.matrix.num_outputs() &&
            b.first_depth + a.cols <= b.matrix.depth() &&
            (b.first_depth == 0 || b.matrix.depth() <= kDepthBlock));
  RunTasks(a, b, c, output, pool);
}

}  // namespace moe::kernels
#endif  // HWY_ONCE
