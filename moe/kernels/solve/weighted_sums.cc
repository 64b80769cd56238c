#include "moe/kernels/solve/weighted_sums.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/solve/chain_product.h"
#include "moe/kernels/solve/panel_kernels.h"

namespace moe::kernels {
namespace {

using internal::ChainProduct;
using internal::kPanelColumns;
using internal::kRowStride;
using internal::PackRange;

// Row m of A is double(w_t) * double(x_tm) of the tokens t, exact. A few tokens
// at once, so that a cache line of the output is filled before it leaves.
void PackWeighted(base::MatrixView<const float> x,
                  absl::Span<const float> weights, const PackRange& range,
                  double* out) {
  constexpr int64_t kTokensAtOnce = 8;
  for (int64_t k = 0; k < range.depth; k += kTokensAtOnce) {
    const int64_t count = std::min(kTokensAtOnce, range.depth - k);
    const float* const weight = weights.data() + range.first + k;
    for (int64_t m = range.begin; m < range.end; ++m) {
      double* const row = out + (m - range.begin) * kRowStride + k;
      const float* const value = x.RowData(range.first + k) + m;
      for (int64_t i = 0; i < count; ++i) {
        row[i] = double{weight[i]} * double{value[i * x.stride]};
      }
    }
  }
}

// Step k of the panels is token k.
void PackTokens(base::MatrixView<const float> x, const PackRange& range,
                double* out) {
  for (int64_t k = 0; k < range.depth; ++k) {
    const float* const values = x.RowData(range.first + k);
    double* panel = out + k * kPanelColumns;
    for (int64_t n = range.begin; n < range.end; n += kPanelColumns) {
      const int64_t count = std::min(kPanelColumns, range.end - n);
      for (int64_t j = 0; j < count; ++j) panel[j] = double{values[n + j]};
      panel += range.depth * kPanelColumns;
    }
  }
}

void AddSums(base::MatrixView<const float> targets,
             base::MatrixView<const float> inputs,
             absl::Span<const float> weights, bool is_lower,
             base::Matrix<double>& sums, base::ThreadPool& pool) {
  MOE_CHECK(weights.size() == static_cast<size_t>(inputs.rows) &&
            targets.rows == inputs.rows && sums.rows() == targets.cols &&
            sums.cols() == inputs.cols);
  ChainProduct(pool).Add({[&](const PackRange& range, double* out) {
                            PackWeighted(targets, weights, range, out);
                          },
                          [&](const PackRange& range, double* out) {
                            PackTokens(inputs, range, out);
                          },
                          inputs.rows, sums.view(), is_lower});
}

}  // namespace

void AddWeightedGram(base::MatrixView<const float> inputs,
                     absl::Span<const float> weights,
                     base::Matrix<double>& gram, base::ThreadPool& pool) {
  AddSums(inputs, inputs, weights, /*is_lower=*/true, gram, pool);
}

void AddWeightedProducts(base::MatrixView<const float> targets,
                         base::MatrixView<const float> inputs,
                         absl::Span<const float> weights,
                         base::Matrix<double>& sums, base::ThreadPool& pool) {
  AddSums(targets, inputs, weights, /*is_lower=*/false, sums, pool);
}

}  // namespace moe::kernels
