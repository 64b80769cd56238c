#include "moe/kernels/solve/cholesky.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "moe/base/check.h"
#include "moe/base/matrix.h"
#include "moe/base/thread_pool.h"

namespace moe {
namespace {

absl::Status PivotError(int64_t pivot, double found) {
  return absl::InvalidArgumentError(absl::StrCat(
      "pivot ", pivot, ": expected a positive finite number, found ", found,
      "; raise what is added to the diagonal"));
}

}  // namespace

absl::Status CholeskyFactor(Matrix<double>& a, ThreadPool& pool) {
  MOE_CHECK(a.rows() == a.cols());
  const int64_t n = a.rows();
  for (int64_t j = 0; j < n; ++j) {
    double* const pivot_row = a.view().RowData(j);
    const double pivot = pivot_row[j];
    if (!(pivot > 0.0) || !std::isfinite(pivot)) return PivotError(j, pivot);
    pivot_row[j] = std::sqrt(pivot);
    for (int64_t i = j + 1; i < n; ++i) a.view().RowData(i)[j] /= pivot_row[j];
    pool.ParallelFor(j + 1, n, 64, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        double* const row = a.view().RowData(i);
        for (int64_t m = j + 1; m <= i; ++m) {
          row[m] = std::fma(-row[j], a.view().RowData(m)[j], row[m]);
        }
      }
    });
  }
  return absl::OkStatus();
}

double CholeskyPivotRatio(const Matrix<double>& factor) {
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

void SolveCholesky(const Matrix<double>& factor, Matrix<double>& right_sides,
                   ThreadPool& pool) {
  const int64_t n = factor.rows();
  MOE_CHECK(factor.cols() == n && right_sides.cols() == n);
  pool.ParallelFor(0, right_sides.rows(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t h = begin; h < end; ++h) {
      double* const x = right_sides.view().RowData(h);
      for (int64_t i = 0; i < n; ++i) {
        const double* const row = factor.view().RowData(i);
        for (int64_t k = 0; k < i; ++k) x[i] = std::fma(-row[k], x[k], x[i]);
        x[i] /= row[i];
      }
      for (int64_t k = n - 1; k >= 0; --k) {
        const double* const row = factor.view().RowData(k);
        x[k] /= row[k];
        for (int64_t i = 0; i < k; ++i) x[i] = std::fma(-row[i], x[k], x[i]);
      }
    }
  });
}

}  // namespace moe
