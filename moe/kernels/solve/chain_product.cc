#include "moe/kernels/solve/chain_product.h"

#include <algorithm>
#include <cstdint>

#include "hwy/cache_control.h"
#include "moe/base/aligned_buffer.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/solve/panel_kernels.h"

namespace moe::kernels::internal {
namespace {

// The panels of so many columns are 3 MiB.
constexpr int64_t kMaxColumns = 2048;

// The rows of a task: 8 tiles of 14 rows. Their part of A is 175 KiB, which
// stays in the second-level cache.
constexpr int64_t kMaxTaskRows = 112;

// Columns below which packing rows costs too much beside the products.
constexpr int64_t kMinTaskPanels = 8;

int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace

void RequestRow(const double* row, int64_t count) {
  constexpr int64_t kLineDoubles = 8;
  for (int64_t i = 0; i < count; i += kLineDoubles) hwy::Prefetch(row + i);
}

// Columns [col_begin, col_end) of the product and `depth` steps.
struct ChainProduct::Block {
  const ChainOperands& operands;
  int64_t first;
  int64_t depth;
  int64_t col_begin;
  int64_t col_end;

  int64_t NumPanels() const {
    return CeilDiv(col_end - col_begin, kPanelColumns);
  }
  // Packs panels [begin, end) of the block where they belong in `panels`.
  void Pack(int64_t begin, int64_t end, double* panels) const {
    operands.pack_columns(
        {col_begin + begin * kPanelColumns,
         std::min(col_begin + end * kPanelColumns, col_end), first, depth},
        panels + begin * kPanelColumns * depth);
  }
  // Multiplies rows [row_begin, row_end) with panels [begin, end).
  void Multiply(int64_t row_begin, int64_t row_end, int64_t begin, int64_t end,
                const double* panels, const PanelKernels& kernels) const;
};

void ChainProduct::Block::Multiply(int64_t row_begin, int64_t row_end,
                                   int64_t begin, int64_t end,
                                   const double* panels,
                                   const PanelKernels& kernels) const {
  const bool is_lower = operands.is_lower;
  if (is_lower && col_begin + begin * kPanelColumns >= row_end) return;
  thread_local base::AlignedBuffer<double> buffer;
  double* const rows = buffer.Reserve(kMaxTaskRows * kRowStride);
  operands.pack_rows({row_begin, row_end, first, depth}, rows);
  for (int64_t p = begin; p < end; ++p) {
    const int64_t col = col_begin + p * kPanelColumns;
    if (is_lower && col >= row_end) break;
    PanelProduct product{rows,
                         panels + p * kPanelColumns * depth,
                         depth,
                         operands.c.RowData(row_begin) + col,
                         operands.c.stride,
                         row_end - row_begin,
                         std::min(kPanelColumns, col_end - col)};
    if (is_lower) product.diagonal = row_begin - col;
    kernels.add_product(product);
  }
}

void ChainProduct::AddBlock(const Block& block) {
  const int64_t first_row = block.operands.is_lower ? block.col_begin : 0;
  const int64_t num_rows = block.operands.c.rows - first_row;
  if (num_rows <= 0) return;
  const int64_t num_panels = block.NumPanels();
  double* const panels = panels_.data();
  const int64_t row_blocks = CeilDiv(num_rows, kMaxTaskRows);
  // Enough tasks that no thread waits long for the last.
  const int64_t wanted = CeilDiv(4 * pool_.num_threads(), row_blocks);
  const int64_t chunks =
      std::clamp<int64_t>(wanted, 1, CeilDiv(num_panels, kMinTaskPanels));
  const bool packs_itself = row_blocks == 1;
  if (!packs_itself) {
    constexpr int64_t kPanelsAtOnce = 4;
    pool_.ParallelFor(
        0, num_panels, kPanelsAtOnce,
        [&](int64_t begin, int64_t end) { block.Pack(begin, end, panels); });
  }
  pool_.ParallelFor(0, row_blocks * chunks, 1, [&](int64_t task, int64_t) {
    // The last rows come first: they have most elements below the diagonal.
    const int64_t row_block = row_blocks - 1 - task / chunks;
    const int64_t begin = num_panels * (task % chunks) / chunks;
    const int64_t end = num_panels * (task % chunks + 1) / chunks;
    if (packs_itself) block.Pack(begin, end, panels);
    block.Multiply(first_row + num_rows * row_block / row_blocks,
                   first_row + num_rows * (row_block + 1) / row_blocks, begin,
                   end, panels, kernels_);
  });
}

void ChainProduct::Add(const ChainOperands& operands) {
  const int64_t cols = operands.c.cols;
  if (operands.c.rows == 0 || cols == 0) return;
  const int64_t max_depth = std::min(kMaxDepth, operands.depth);
  const int64_t max_cols = std::min(kMaxColumns, cols);
  const int64_t size =
      max_depth * CeilDiv(max_cols, kPanelColumns) * kPanelColumns;
  if (size > panels_.size()) {
    panels_ = base::AlignedBuffer<double>(size);
    // Columns past the last are multiplied, too, and then dropped.
    std::fill(panels_.data(), panels_.data() + size, 0.0);
  }
  for (int64_t first = 0; first < operands.depth; first += kMaxDepth) {
    const int64_t depth = std::min(kMaxDepth, operands.depth - first);
    for (int64_t col = 0; col < cols; col += kMaxColumns) {
      AddBlock(
          {operands, first, depth, col, std::min(col + kMaxColumns, cols)});
    }
  }
}

}  // namespace moe::kernels::internal
