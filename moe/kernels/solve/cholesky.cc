#include "moe/kernels/solve/cholesky.h"

#include <algorithm>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "moe/base/check.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/solve/chain_product.h"
#include "moe/kernels/solve/panel_kernels.h"
#include "moe/kernels/solve/triangle_block.h"

namespace moe::kernels {
namespace {

using internal::BlockRange;
using internal::ChainProduct;
using internal::kPanelColumns;
using internal::kRowsAhead;
using internal::kRowStride;
using internal::PackRange;
using internal::RequestRow;
using internal::StepOrder;
using internal::TriangleBlock;

// Row m of A is minus the block's unknowns in row m, in the order of the steps.
void PackUnknowns(base::MatrixView<const double> x, const BlockRange& block,
                  const PackRange& range, double* out) {
  for (int64_t m = range.begin; m < range.end; ++m) {
    const double* const values = x.RowData(m);
    double* const row = out + (m - range.begin) * kRowStride;
    for (int64_t k = 0; k < range.depth; ++k) {
      row[k] = -values[block.Index(range.first + k)];
    }
  }
}

// Column n of B is row `first_row` + n of the factor, in the block's columns.
void PackRowsOfFactor(base::MatrixView<const double> factor, int64_t first_row,
                      const BlockRange& block, const PackRange& range,
                      double* out) {
  for (int64_t n = range.begin; n < range.end; ++n) {
    const int64_t j = n - range.begin;
    double* const column = out +
                           j / kPanelColumns * range.depth * kPanelColumns +
                           j % kPanelColumns;
    const double* const row =
        factor.RowData(first_row + n) + block.begin + range.first;
    if (n + kRowsAhead < range.end) {
      RequestRow(row + kRowsAhead * factor.stride, range.depth);
    }
    for (int64_t k = 0; k < range.depth; ++k) {
      column[k * kPanelColumns] = row[k];
    }
  }
}

// Column n of B is column n of the factor, in the block's rows from the last.
void PackColumnsOfFactor(base::MatrixView<const double> factor,
                         const BlockRange& block, const PackRange& range,
                         double* out) {
  for (int64_t k = 0; k < range.depth; ++k) {
    const double* const row = factor.RowData(block.Index(range.first + k));
    if (k + kRowsAhead < range.depth) {
      RequestRow(factor.RowData(block.Index(range.first + k + kRowsAhead)) +
                     range.begin,
                 range.end - range.begin);
    }
    double* panel = out + k * kPanelColumns;
    for (int64_t n = range.begin; n < range.end; n += kPanelColumns) {
      const int64_t count = std::min(kPanelColumns, range.end - n);
      std::copy(row + n, row + n + count, panel);
      panel += range.depth * kPanelColumns;
    }
  }
}

// Columns [begin, end) of all rows.
base::MatrixView<double> Columns(base::MatrixView<double> matrix, int64_t begin,
                                 int64_t end) {
  return {matrix.data + begin, matrix.rows, end - begin, matrix.stride};
}

// c -= x B for the block's unknowns in the rows of x, where B is the factor's
// rows from the block's end on, in the block's columns.
void SubtractAscending(base::MatrixView<const double> factor,
                       const BlockRange& block,
                       base::MatrixView<const double> x,
                       base::MatrixView<double> c, bool is_lower,
                       ChainProduct& product) {
  product.Add({[&](const PackRange& range, double* out) {
                 PackUnknowns(x, block, range, out);
               },
               [&](const PackRange& range, double* out) {
                 PackRowsOfFactor(factor, block.end, block, range, out);
               },
               block.size(), c, is_lower});
}

void SubtractDescending(base::MatrixView<const double> factor,
                        const BlockRange& block, base::MatrixView<double> x,
                        ChainProduct& product) {
  product.Add({[&](const PackRange& range, double* out) {
                 PackUnknowns(x, block, range, out);
               },
               [&](const PackRange& range, double* out) {
                 PackColumnsOfFactor(factor, block, range, out);
               },
               block.size(), Columns(x, 0, block.begin)});
}

}  // namespace

double AddRidge(base::Matrix<double>& gram, double ridge) {
  const int64_t n = gram.rows();
  MOE_CHECK(gram.cols() == n);
  if (n == 0) return 0.0;
  double sum = 0.0;
  for (int64_t i = 0; i < n; ++i) sum += gram.view().RowData(i)[i];
  const double lambda = ridge * (sum / static_cast<double>(n));
  for (int64_t i = 0; i < n; ++i) gram.view().RowData(i)[i] += lambda;
  return lambda;
}

absl::Status CholeskyFactor(base::Matrix<double>& a, base::ThreadPool& pool) {
  MOE_CHECK(a.rows() == a.cols());
  const int64_t n = a.rows();
  TriangleBlock triangle(pool);
  ChainProduct product(pool);
  for (int64_t begin = 0; begin < n; begin += TriangleBlock::kMaxSize) {
    const BlockRange block = {begin,
                              std::min(begin + TriangleBlock::kMaxSize, n),
                              StepOrder::kAscending};
    const int64_t pivot = triangle.Factor(a.view(), block);
    if (pivot >= 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          "pivot ", pivot, ": expected a positive finite number, found ",
          a.view().RowData(pivot)[pivot],
          "; raise what is added to the diagonal"));
    }
    const base::MatrixView<double> below = a.view().Rows(block.end, n);
    triangle.Solve(below);
    SubtractAscending(a.view(), block, below, Columns(below, block.end, n),
                      /*is_lower=*/true, product);
  }
  return absl::OkStatus();
}

double CholeskyPivotRatio(const base::Matrix<double>& factor) {
  MOE_CHECK(factor.rows() == factor.cols());
  if (factor.rows() == 0) return 1.0;
  double least = factor.view().RowData(0)[0];
  double largest = least;
  for (int64_t j = 1; j < factor.rows(); ++j) {
    least = std::min(least, factor.view().RowData(j)[j]);
    largest = std::max(largest, factor.view().RowData(j)[j]);
  }
  const double ratio = largest / least;
  return ratio * ratio;
}

void SolveCholesky(const base::Matrix<double>& factor,
                   base::Matrix<double>& right_sides, base::ThreadPool& pool) {
  const int64_t n = factor.rows();
  MOE_CHECK(factor.cols() == n && right_sides.cols() == n);
  const base::MatrixView<double> x = right_sides.view();
  TriangleBlock triangle(pool);
  ChainProduct product(pool);
  for (int64_t begin = 0; begin < n; begin += TriangleBlock::kMaxSize) {
    const BlockRange block = {begin,
                              std::min(begin + TriangleBlock::kMaxSize, n),
                              StepOrder::kAscending};
    triangle.Load(factor.view(), block);
    triangle.Solve(x);
    SubtractAscending(factor.view(), block, x, Columns(x, block.end, n),
                      /*is_lower=*/false, product);
  }
  for (int64_t end = n; end > 0; end -= TriangleBlock::kMaxSize) {
    const BlockRange block = {
        std::max<int64_t>(end - TriangleBlock::kMaxSize, 0), end,
        StepOrder::kDescending};
    triangle.Load(factor.view(), block);
    triangle.Solve(x);
    SubtractDescending(factor.view(), block, x, product);
  }
}

}  // namespace moe::kernels
