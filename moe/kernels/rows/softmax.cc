#include "moe/kernels/rows/softmax.h"

#include <algorithm>
#include <cstdint>

#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/math/float_math.h"
#include "moe/kernels/rows/parallel_rows.h"
#include "moe/kernels/rows/scalar_row.h"
#include "moe/kernels/simd/choose_kernel.h"
#include "moe/kernels/simd/highway_targets.h"
#include "moe/kernels/simd/matrix_view.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "moe/kernels/rows/softmax.cc"
#include "hwy/foreach_target.h"
// After foreach_target.
#include "hwy/highway.h"
#include "moe/kernels/math/exp-inl.h"
#include "moe/kernels/rows/row_ops-inl.h"

HWY_BEFORE_NAMESPACE();
namespace moe {
namespace HWY_NAMESPACE {

// All rows have n > 0 elements. `next_x` is the row that comes after `x`.
void SoftmaxRow(int64_t n, const float* x, float scale, float* y,
                const float* next_x) {
  const DF d;
  const VF factor = hn::Set(d, scale);
  // Computed twice rather than stored: the same bits both times.
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

void SoftmaxBackwardRow(int64_t n, const float* y, const float* dy, float scale,
                        float* dx) {
  const DF d;
  const VF dot = hn::Set(d, static_cast<float>(SumProducts(n, y, dy)));
  const VF factor = hn::Set(d, scale);
  MapRow(
      n, dx,
      [&](VF value, VF gradient) HWY_ATTR {
        return hn::Mul(hn::Mul(value, hn::Sub(gradient, dot)), factor);
      },
      y, dy);
}

void LogSoftmaxRow(int64_t n, const float* x, float* y, const float* next_x) {
  const DF d;
  const VF largest = hn::Set(d, MaxRow(n, x));
  const double sum = MapAndSumRow(
      n, nullptr,
      [&](VF value) HWY_ATTR { return Exp(d, hn::Sub(value, largest)); }, x,
      next_x, y);
  const VF log_sum = hn::Set(d, Log(static_cast<float>(sum)));
  MapRow(
      n, y,
      [&](VF value)
          HWY_ATTR { return hn::Sub(hn::Sub(value, largest), log_sum); },
      x);
}

void LogSoftmaxBackwardRow(int64_t n, const float* y, const float* dy,
                           float* dx) {
  const DF d;
  const VF sum = hn::Set(d, static_cast<float>(SumValues(n, dy)));
  MapRow(
      n, dx,
      [&](VF value, VF gradient)
          HWY_ATTR { return hn::Sub(gradient, hn::Mul(Exp(d, value), sum)); },
      y, dy);
}

}  // namespace HWY_NAMESPACE
}  // namespace moe
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace moe {
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

void SoftmaxBackwardRow(int64_t n, const float* y, const float* dy, float scale,
                        float* dx) {
  const auto dot = static_cast<float>(SumProducts(n, y, dy));
  for (int64_t i = 0; i < n; ++i) dx[i] = (y[i] * (dy[i] - dot)) * scale;
}

void LogSoftmaxRow(int64_t n, const float* x, float* y,
                   const float* /*next_x*/) {
  const float largest = MaxRow(n, x);
  const float log_sum = Log(static_cast<float>(SumRow(
      n, [&](int64_t i) { return static_cast<double>(Exp(x[i] - largest)); })));
  for (int64_t i = 0; i < n; ++i) y[i] = (x[i] - largest) - log_sum;
}

void LogSoftmaxBackwardRow(int64_t n, const float* y, const float* dy,
                           float* dx) {
  const auto sum = static_cast<float>(SumValues(n, dy));
  for (int64_t i = 0; i < n; ++i) dx[i] = dy[i] - Exp(y[i]) * sum;
}

}  // namespace
}  // namespace scalar

namespace {

HWY_EXPORT(SoftmaxRow);
HWY_EXPORT(SoftmaxBackwardRow);
HWY_EXPORT(LogSoftmaxRow);
HWY_EXPORT(LogSoftmaxBackwardRow);

void ClearFrom(int64_t length, absl::Span<float> row) {
  std::fill(row.begin() + length, row.end(), 0.0f);
}

}  // namespace

void Softmax(MatrixView<const float> x, float scale, const CausalMask& mask,
             MatrixView<float> y, ThreadPool& pool) {
  MOE_CHECK(SameShape(x, y) && mask.first_length >= 0 && mask.period > 0);
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

void SoftmaxBackward(MatrixView<const float> y, MatrixView<const float> dy,
                     float scale, const CausalMask& mask, MatrixView<float> dx,
                     ThreadPool& pool) {
  MOE_CHECK(SameShape(y, dy) && SameShape(y, dx) && mask.first_length >= 0 &&
            mask.period > 0);
  const auto backward = MOE_CHOOSE_KERNEL(SoftmaxBackwardRow);
  ParallelRows(y.rows, y.cols, pool, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t length = mask.Length(row, y.cols);
      backward(length, y.RowData(row), dy.RowData(row), scale, dx.RowData(row));
      ClearFrom(length, dx.Row(row));
    }
  });
}

void LogSoftmax(MatrixView<const float> x, MatrixView<float> y,
                ThreadPool& pool) {
  MOE_CHECK(SameShape(x, y));
  if (x.cols == 0) return;
  const auto log_softmax = MOE_CHOOSE_KERNEL(LogSoftmaxRow);
  ParallelRows(x.rows, x.cols, pool, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      log_softmax(x.cols, x.RowData(row), y.RowData(row),
                  x.RowData(std::min(row + 1, x.rows - 1)));
    }
  });
}

void LogSoftmaxBackward(MatrixView<const float> y, MatrixView<const float> dy,
                        MatrixView<float> dx, ThreadPool& pool) {
  MOE_CHECK(SameShape(y, dy) && SameShape(y, dx));
  const auto backward = MOE_CHOOSE_KERNEL(LogSoftmaxBackwardRow);
  ParallelRows(y.rows, y.cols, pool, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      backward(y.cols, y.RowData(row), dy.RowData(row), dx.RowData(row));
    }
  });
}

}  // namespace moe
#endif  // HWY_ONCE
