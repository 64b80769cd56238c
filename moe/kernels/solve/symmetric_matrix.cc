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
using internal::PackRange;

void PackNegated(MatrixView<const float> weights, const PackRange& range,
                 int64_t stride, double* out) {
  for (int64_t m = range.begin; m < range.end; ++m) {
    const float* const values = weights.RowData(m) + range.first;
    double* const row = out + (m - range.begin) * stride;
    for (int64_t k = 0; k < range.depth; ++k) row[k] = -double{values[k]};
  }
}

// A panel of columns [begin, end) of the symmetric matrix. From row `end` on
// they are where they belong; up to row `begin` they are rows of the triangle.
void PackSymmetricPanel(MatrixView<const double> gram, const PackRange& range,
                        double* out) {
  const int64_t cols = range.end - range.begin;
  const int64_t last = range.first + range.depth;
  const int64_t middle = std::clamp(range.begin, range.first, last);
  for (int64_t j = 0; j < cols; ++j) {
    const double* const row = gram.RowData(range.begin + j);
    for (int64_t k = range.first; k < middle; ++k) {
      out[(k - range.first) * kPanelColumns + j] = row[k];
    }
  }
  for (int64_t k = middle; k < last; ++k) {
    double* const step = out + (k - range.first) * kPanelColumns;
    const double* const row = gram.RowData(k) + range.begin;
    const int64_t below = std::min(cols, k - range.begin + 1);
    std::copy(row, row + below, step);
    for (int64_t j = below; j < cols; ++j) {
      step[j] = gram.RowData(range.begin + j)[k];
    }
  }
}

void PackSymmetric(MatrixView<const double> gram, const PackRange& range,
                   double* out) {
  for (int64_t n = range.begin; n < range.end; n += kPanelColumns) {
    PackSymmetricPanel(gram,
                       {n, std::min(n + kPanelColumns, range.end), range.first,
                        range.depth},
                       out + (n - range.begin) * range.depth);
  }
}

}  // namespace

void SubtractProduct(MatrixView<const float> weights,
                     const Matrix<double>& gram, Matrix<double>& sums,
                     ThreadPool& pool) {
  MOE_CHECK(gram.rows() == gram.cols() && weights.cols == gram.rows() &&
            SameShape(weights, sums.view()));
  ChainProduct(pool).Add(
      {[&](const PackRange& range, int64_t stride, double* out) {
         PackNegated(weights, range, stride, out);
       },
       [&](const PackRange& range, double* out) {
         PackSymmetric(gram.view(), range, out);
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
