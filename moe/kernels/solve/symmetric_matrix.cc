#include "moe/kernels/solve/symmetric_matrix.h"

#include <algorithm>
#include <cstdint>

#include "moe/base/check.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/solve/chain_product.h"
#include "moe/kernels/solve/panel_kernels.h"

namespace moe {
namespace {

using internal::ChainProduct;
using internal::kPanelColumns;
using internal::kRowsAhead;
using internal::kRowStride;
using internal::PackRange;
using internal::RequestRow;

void PackNegated(MatrixView<const float> weights, const PackRange& range,
                 double* out) {
  for (int64_t m = range.begin; m < range.end; ++m) {
    const float* const values = weights.RowData(m) + range.first;
    double* const row = out + (m - range.begin) * kRowStride;
    for (int64_t k = 0; k < range.depth; ++k) row[k] = -double{values[k]};
  }
}

// Step k of the panels is row k of the symmetric matrix: its elements up to the
// diagonal.
void PackBelowDiagonal(MatrixView<const double> gram, const PackRange& range,
                       double* out) {
  for (int64_t k = 0; k < range.depth; ++k) {
    const int64_t row = range.first + k;
    const double* const values = gram.RowData(row);
    const int64_t end = std::min(range.end, row + 1);
    if (k + kRowsAhead < range.depth) {
      RequestRow(values + kRowsAhead * gram.stride + range.begin,
                 end - range.begin);
    }
    double* panel = out + k * kPanelColumns;
    for (int64_t n = range.begin; n < end; n += kPanelColumns) {
      std::copy(values + n, values + std::min(n + kPanelColumns, end), panel);
      panel += range.depth * kPanelColumns;
    }
  }
}

// What is right of the diagonal in these rows: column n is row n of the
// triangle.
void PackAboveDiagonal(MatrixView<const double> gram, const PackRange& range,
                       double* out) {
  for (int64_t n = range.begin; n < range.end; ++n) {
    const int64_t j = n - range.begin;
    const double* const row = gram.RowData(n) + range.first;
    const int64_t count = std::min(n - range.first, range.depth);
    if (n + kRowsAhead < range.end) {
      RequestRow(row + kRowsAhead * gram.stride, count);
    }
    double* const column = out +
                           j / kPanelColumns * range.depth * kPanelColumns +
                           j % kPanelColumns;
    for (int64_t k = 0; k < count; ++k) column[k * kPanelColumns] = row[k];
  }
}

}  // namespace

void SubtractProduct(MatrixView<const float> weights,
                     const Matrix<double>& gram, Matrix<double>& sums,
                     ThreadPool& pool) {
  MOE_CHECK(gram.rows() == gram.cols() && weights.cols == gram.rows() &&
            SameShape(weights, sums.view()));
  ChainProduct(pool).Add({[&](const PackRange& range, double* out) {
                            PackNegated(weights, range, out);
                          },
                          [&](const PackRange& range, double* out) {
                            PackBelowDiagonal(gram.view(), range, out);
                            PackAboveDiagonal(gram.view(), range, out);
                          },
                          weights.cols, sums.view()});
}

double AddRidge(Matrix<double>& gram, double ridge) {
  const int64_t n = gram.rows();
  MOE_CHECK(gram.cols() == n);
  if (n == 0) return 0.0;
  double sum = 0.0;
  for (int64_t i = 0; i < n; ++i) sum += gram.view().RowData(i)[i];
  const double lambda = ridge * (sum / static_cast<double>(n));
  for (int64_t i = 0; i < n; ++i) gram.view().RowData(i)[i] += lambda;
  return lambda;
}

}  // namespace moe
