#include "moe/kernels/solve/testing/solve_reference.h"

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"

namespace moe::kernels::reference {

void AddWeightedGram(base::MatrixView<const float> inputs,
                     absl::Span<const float> weights,
                     base::Matrix<double>& gram) {
  MOE_CHECK(gram.rows() == inputs.cols && gram.cols() == inputs.cols);
  for (int64_t i = 0; i < inputs.cols; ++i) {
    for (int64_t j = 0; j <= i; ++j) {
      double& sum = gram.view().RowData(i)[j];
      for (int64_t t = 0; t < inputs.rows; ++t) {
        const float* const x = inputs.RowData(t);
        const double weight = weights[static_cast<size_t>(t)];
        sum = std::fma(weight * double{x[i]}, double{x[j]}, sum);
      }
    }
  }
}

void AddWeightedProducts(base::MatrixView<const float> targets,
                         base::MatrixView<const float> inputs,
                         absl::Span<const float> weights,
                         base::Matrix<double>& sums) {
  MOE_CHECK(sums.rows() == targets.cols && sums.cols() == inputs.cols);
  for (int64_t h = 0; h < targets.cols; ++h) {
    for (int64_t n = 0; n < inputs.cols; ++n) {
      double& sum = sums.view().RowData(h)[n];
      for (int64_t t = 0; t < inputs.rows; ++t) {
        const double weight = weights[static_cast<size_t>(t)];
        sum = std::fma(weight * double{targets.RowData(t)[h]},
                       double{inputs.RowData(t)[n]}, sum);
      }
    }
  }
}

int64_t CholeskyFactor(base::Matrix<double>& a) {
  MOE_CHECK(a.rows() == a.cols());
  for (int64_t i = 0; i < a.rows(); ++i) {
    double* const row = a.view().RowData(i);
    for (int64_t j = 0; j <= i; ++j) {
      const double* const other = a.view().RowData(j);
      double sum = row[j];
      for (int64_t k = 0; k < j; ++k) sum = std::fma(-row[k], other[k], sum);
      if (j < i) {
        row[j] = sum / other[j];
      } else if (sum > 0.0 && std::isfinite(sum)) {
        row[j] = std::sqrt(sum);
      } else {
        row[j] = sum;
        return i;
      }
    }
  }
  return -1;
}

void SolveCholesky(const base::Matrix<double>& factor,
                   base::Matrix<double>& right_sides) {
  const int64_t n = factor.rows();
  MOE_CHECK(factor.cols() == n && right_sides.cols() == n);
  const auto element = [&](int64_t i, int64_t k) {
    return factor.view().RowData(i)[k];
  };
  for (int64_t h = 0; h < right_sides.rows(); ++h) {
    double* const x = right_sides.view().RowData(h);
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t k = 0; k < i; ++k) {
        x[i] = std::fma(-element(i, k), x[k], x[i]);
      }
      x[i] = x[i] / element(i, i);
    }
    for (int64_t i = n - 1; i >= 0; --i) {
      for (int64_t k = n - 1; k > i; --k) {
        x[i] = std::fma(-element(k, i), x[k], x[i]);
      }
      x[i] = x[i] / element(i, i);
    }
  }
}

}  // namespace moe::kernels::reference
