#include "moe/kernels/solve/triangle_block.h"

#include <algorithm>
#include <cstdint>

#include "moe/base/aligned_buffer.h"
#include "moe/base/check.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/solve/panel_kernels.h"

namespace moe::kernels::internal {
namespace {

// Right sides at once: two tiles of 14 rows, and enough to hide the division in
// each step of the others.
constexpr int64_t kRowsAtOnce = 28;

int64_t NumPanels(int64_t size) {
  return (size + kPanelColumns - 1) / kPanelColumns;
}

}  // namespace

int64_t TriangleBlock::PanelWidth(int64_t p) const {
  return std::min(kPanelColumns, range_.size() - p * kPanelColumns);
}

void TriangleBlock::Clear(const BlockRange& range) {
  MOE_CHECK(range.size() <= kMaxSize);
  range_ = range;
  std::fill(panels_.data(), panels_.data() + panels_.size(), 0.0);
}

void TriangleBlock::Load(base::MatrixView<const double> factor,
                         const BlockRange& range) {
  Clear(range);
  for (int64_t j = 0; j < range.size(); ++j) {
    double* const column = Panel(j / kPanelColumns) + j % kPanelColumns;
    for (int64_t s = 0; s <= j; ++s) {
      const int64_t row = std::max(range.Index(j), range.Index(s));
      const int64_t col = std::min(range.Index(j), range.Index(s));
      column[s * kPanelColumns] = factor.RowData(row)[col];
    }
  }
}

void TriangleBlock::SolveRows(int64_t rows, int64_t num_panels, double* values,
                              double* negated) const {
  for (int64_t p = 0; p < num_panels; ++p) {
    const int64_t step = p * kPanelColumns;
    kernels_.add_product({negated, Panel(p), step, values + step, kRowStride,
                          rows, kPanelColumns});
    kernels_.solve({Panel(p) + step * kPanelColumns, PanelWidth(p),
                    values + step, negated + step, rows});
  }
}

void TriangleBlock::Solve(base::MatrixView<double> right_sides) const {
  const int64_t size = range_.size();
  pool_.ParallelFor(
      0, right_sides.rows, kRowsAtOnce, [&](int64_t begin, int64_t end) {
        thread_local base::AlignedBuffer<double> buffer;
        double* const values = buffer.Reserve(2 * kRowsAtOnce * kRowStride);
        double* const negated = values + kRowsAtOnce * kRowStride;
        for (int64_t r = begin; r < end; ++r) {
          double* const row = values + (r - begin) * kRowStride;
          const double* const from = right_sides.RowData(r);
          for (int64_t s = 0; s < size; ++s) row[s] = from[range_.Index(s)];
          std::fill(row + size, row + kRowStride, 0.0);
        }
        SolveRows(end - begin, NumPanels(size), values, negated);
        for (int64_t r = begin; r < end; ++r) {
          const double* const row = values + (r - begin) * kRowStride;
          double* const to = right_sides.RowData(r);
          for (int64_t s = 0; s < size; ++s) to[range_.Index(s)] = row[s];
        }
      });
}

int64_t TriangleBlock::FactorRows(int64_t p, double* values, double* negated) {
  const int64_t step = p * kPanelColumns;
  const int64_t width = PanelWidth(p);
  SolveRows(width, p, values, negated);
  double* const panel = Panel(p);
  for (int64_t k = 0; k < step; ++k) {
    for (int64_t j = 0; j < width; ++j) {
      panel[k * kPanelColumns + j] = values[j * kRowStride + k];
    }
  }
  kernels_.add_product(
      {negated, panel, step, values + step, kRowStride, width, kPanelColumns});
  return kernels_.factor({values + step, width, panel + step * kPanelColumns});
}

int64_t TriangleBlock::Factor(base::MatrixView<double> a,
                              const BlockRange& range) {
  MOE_CHECK(range.order == StepOrder::kAscending);
  Clear(range);
  base::AlignedBuffer<double> buffer(2 * kPanelColumns * kRowStride);
  double* const values = buffer.data();
  double* const negated = values + kPanelColumns * kRowStride;
  for (int64_t p = 0; p < NumPanels(range.size()); ++p) {
    const int64_t first = p * kPanelColumns;
    std::fill(values, values + kPanelColumns * kRowStride, 0.0);
    for (int64_t j = 0; j < PanelWidth(p); ++j) {
      const double* const row = a.RowData(range.Index(first + j)) + range.begin;
      std::copy(row, row + first + j + 1, values + j * kRowStride);
    }
    const int64_t pivot = FactorRows(p, values, negated);
    if (pivot >= 0) {
      const int64_t index = range.Index(first + pivot);
      a.RowData(index)[index] = values[pivot * kRowStride + first + pivot];
      return index;
    }
    for (int64_t j = 0; j < PanelWidth(p); ++j) {
      const double* const row = values + j * kRowStride;
      std::copy(row, row + first + j + 1,
                a.RowData(range.Index(first + j)) + range.begin);
    }
  }
  return -1;
}

}  // namespace moe::kernels::internal
