#include "moe/kernels/solve/symmetric_matrix.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "moe/base/check.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"

namespace moe {

void SubtractProduct(MatrixView<const float> weights,
                     const Matrix<double>& gram, Matrix<double>& sums,
                     ThreadPool& pool) {
  MOE_CHECK(gram.rows() == gram.cols() && weights.cols == gram.rows() &&
            SameShape(weights, sums.view()));
  pool.ParallelFor(0, weights.rows, 1, [&](int64_t begin, int64_t end) {
    for (int64_t h = begin; h < end; ++h) {
      double* const row = sums.view().RowData(h);
      for (int64_t i = 0; i < weights.cols; ++i) {
        for (int64_t j = 0; j < weights.cols; ++j) {
          const double g = gram.view().RowData(std::max(i, j))[std::min(i, j)];
          row[i] = std::fma(-double{weights.RowData(h)[j]}, g, row[i]);
        }
      }
    }
  });
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
