#include "moe/kernels/rows/gathered_rows.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/rows/parallel_rows.h"
#include "moe/kernels/simd/choose_kernel.h"
#include "moe/kernels/simd/highway_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "moe/kernels/rows/gathered_rows.cc"
#include "hwy/foreach_target.h"
// After foreach_target.
#include "hwy/highway.h"
#include "moe/kernels/rows/row_ops-inl.h"

HWY_BEFORE_NAMESPACE();
namespace moe::kernels {
namespace HWY_NAMESPACE {

void AddWeightedRow(int64_t n, float weight, const float* x, float* y) {
  const VF weights = hn::Set(DF(), weight);
  MapRow(
      n, y,
      [&](VF value, VF sum)
          HWY_ATTR { return hn::Add(sum, hn::Mul(value, weights)); },
      x, y);
}

}  // namespace HWY_NAMESPACE
}  // namespace moe::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace moe::kernels {
namespace scalar {
namespace {

void AddWeightedRow(int64_t n, float weight, const float* x, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] += x[i] * weight;
}

}  // namespace
}  // namespace scalar

namespace {

HWY_EXPORT(AddWeightedRow);

// Whether all are rows of a matrix with `num_rows` rows.
bool AreRows(absl::Span<const int64_t> rows, int64_t num_rows) {
  return std::all_of(rows.begin(), rows.end(), [num_rows](int64_t row) {
    return row >= 0 && row < num_rows;
  });
}

}  // namespace

void GatherRows(base::MatrixView<const float> x, absl::Span<const int64_t> rows,
                base::MatrixView<float> y, base::ThreadPool& pool) {
  MOE_CHECK(static_cast<int64_t>(rows.size()) == y.rows && x.cols == y.cols &&
            AreRows(rows, x.rows));
  ParallelRows(y.rows, y.cols, pool, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const float* const row = x.RowData(rows[static_cast<size_t>(i)]);
      std::copy(row, row + x.cols, y.RowData(i));
    }
  });
}

void AddWeightedRows(base::MatrixView<const float> x,
                     absl::Span<const int64_t> rows,
                     absl::Span<const float> weights, base::MatrixView<float> y,
                     base::ThreadPool& pool) {
  MOE_CHECK(static_cast<int64_t>(rows.size()) == x.rows && x.cols == y.cols &&
            weights.size() == rows.size() && AreRows(rows, y.rows));
  const auto add = MOE_CHOOSE_KERNEL(AddWeightedRow);
  ParallelRows(x.rows, x.cols, pool, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const auto at = static_cast<size_t>(i);
      add(x.cols, weights[at], x.RowData(i), y.RowData(rows[at]));
    }
  });
}

}  // namespace moe::kernels
#endif  // HWY_ONCE
