#include "moe/kernels/solve/weighted_sums.h"

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"

namespace moe {
namespace {

// Row `row` of the sums, `count` elements, one token after another.
void AddTokens(MatrixView<const float> targets, MatrixView<const float> inputs,
               absl::Span<const float> weights, int64_t row, int64_t count,
               double* sums) {
  for (int64_t t = 0; t < inputs.rows; ++t) {
    const double target = double{weights[static_cast<size_t>(t)]} *
                          double{targets.RowData(t)[row]};
    const float* const x = inputs.RowData(t);
    for (int64_t n = 0; n < count; ++n) {
      sums[n] = std::fma(target, double{x[n]}, sums[n]);
    }
  }
}

}  // namespace

void AddWeightedGram(MatrixView<const float> inputs,
                     absl::Span<const float> weights, Matrix<double>& gram,
                     ThreadPool& pool) {
  MOE_CHECK(weights.size() == static_cast<size_t>(inputs.rows) &&
            gram.rows() == inputs.cols && gram.cols() == inputs.cols);
  pool.ParallelFor(0, gram.rows(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      AddTokens(inputs, inputs, weights, i, i + 1, gram.view().RowData(i));
    }
  });
}

void AddWeightedProducts(MatrixView<const float> targets,
                         MatrixView<const float> inputs,
                         absl::Span<const float> weights, Matrix<double>& sums,
                         ThreadPool& pool) {
  MOE_CHECK(weights.size() == static_cast<size_t>(inputs.rows) &&
            targets.rows == inputs.rows && sums.rows() == targets.cols &&
            sums.cols() == inputs.cols);
  pool.ParallelFor(0, sums.rows(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t h = begin; h < end; ++h) {
      AddTokens(targets, inputs, weights, h, inputs.cols,
                sums.view().RowData(h));
    }
  });
}

}  // namespace moe
