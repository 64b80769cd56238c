#include "moe/kernels/rows/softmax.h"

#include <algorithm>
#include <cstdint>

#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/math/float_math.h"
#include "moe/kernels/rows/parallel_rows.h"
#include "moe/kernels/rows/scalar_row.h"
#include "moe/kernels/simd/choose_kernel.h"
#include "moe/kernels/simd/highway_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "moe/kernels/rows/softmax.cc"
#include "hwy/foreach_target.h"
// After foreach_target.
#include "hwy/highway.h"
#include "moe/kernels/math/exp-inl.h"
#include "moe/kernels/rows/row_ops-inl.h"

HWY_BEFORE_NAMESPACE();
namespace moe::kernels {
namespace HWY_NAMESPACE {

// All rows have n > 0 elements. `next_x` is the row that comes after `x`.
void SoftmaxRow(int64_t n, const float* x, float scale, float* y,
                const float* next_x) {
  const DF d;
  const VF factor = hn::Set(d, scale);
  // Computed twice instead of stored. The bits are the same both times.
  const auto scaled = [&](VF value) HWY_ATTR { return hn::Mul(value, factor); };
  const VF largest = hn::Set(d, MaxRow(n, scaled, x));
  const double sum = MapAndSumRow(
      n, y,
      [&](VF value)
          HWY_ATTR { return Exp(d, hn::Sub(scaled(value), largest)); },
      x, next_x);
  const VF inverse = hn::Set(d, static_cast<float>(1.0 / sum));
  MapRow(
      n, y, [&](VF value) HWY_ATTR { return hn::Mul(value, inverse); }, y);
}

}  // namespace HWY_NAMESPACE
}  // namespace moe::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace moe::kernels {
namespace scalar {
namespace {

void SoftmaxRow(int64_t n, const float* x, float scale, float* y,
                const float* /*next_x*/) {
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] * scale;
  const float largest = MaxRow(n, y);
  for (int64_t i = 0; i < n; ++i) y[i] = Exp(y[i] - largest);
  const auto inverse = static_cast<float>(1.0 / SumValues(n, y));
  for (int64_t i = 0; i < n; ++i) y[i] *= inverse;
}

}  // namespace
}  // namespace scalar

namespace {

HWY_EXPORT(SoftmaxRow);

void ClearFrom(int64_t length, absl::Span<float> row) {
  std::fill(row.begin() + length, row.end(), 0.0f);
}

}  // namespace

void Softmax(base::MatrixView<const float> x, float scale,
             const CausalMask& mask, base::MatrixView<float> y,
             base::ThreadPool& pool) {
  MOE_CHECK(base::SameShape(x, y) && mask.first_length >= 0 && mask.period > 0);
  const auto softmax = MOE_CHOOSE_KERNEL(SoftmaxRow);
  ParallelRows(x.rows, x.cols, pool, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t length = mask.Length(row, x.cols);
      if (length > 0) {
        softmax(length, x.RowData(row), scale, y.RowData(row),
                x.RowData(std::min(row + 1, x.rows - 1)));
      }
      ClearFrom(length, y.Row(row));
    }
  });
}

}  // namespace moe::kernels
#endif  // HWY_ONCE
