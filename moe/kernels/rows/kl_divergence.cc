#include "moe/kernels/rows/kl_divergence.h"

#include <algorithm>
#include <cstddef>
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
#define HWY_TARGET_INCLUDE "moe/kernels/rows/kl_divergence.cc"
#include "hwy/foreach_target.h"
// After foreach_target.
#include "hwy/highway.h"
#include "moe/kernels/math/exp-inl.h"
#include "moe/kernels/rows/row_ops-inl.h"

HWY_BEFORE_NAMESPACE();
namespace moe::kernels {
namespace HWY_NAMESPACE {

// t: the sum of exp(y_i - largest).
double SumOfShiftedExps(int64_t n, const float* y, float largest) {
  const DF d;
  const VF shift = hn::Set(d, largest);
  return MapAndSumRow(
      n, nullptr,
      [&](VF value) HWY_ATTR { return Exp(d, hn::Sub(value, shift)); }, y,
      y + n);
}

// d: the sum of exp(x_i - max x) ((x_i - max x) - (y_i - max y)).
double WeightedDifference(int64_t n, const float* x, float largest_x,
                          const float* y, float largest_y) {
  const DF d;
  const VF shift = hn::Set(d, largest_x);
  const VD shift_x = hn::Set(DD(), double{largest_x});
  const VD shift_y = hn::Set(DD(), double{largest_y});
  const auto exp = [&](VF value)
                       HWY_ATTR { return Exp(d, hn::Sub(value, shift)); };
  const auto term = [&](VD e, VD a, VD b) HWY_ATTR {
    return hn::Mul(e, hn::Sub(hn::Sub(a, shift_x), hn::Sub(b, shift_y)));
  };
  LaneSum sum;
  HWY_ALIGN float exps[kVirtualLanes] = {};
  int64_t i = 0;
  for (; i + kVirtualLanes <= n; i += kVirtualLanes) {
    MapRow(kVirtualLanes, exps, exp, x + i);
    sum.Add(term, exps, x + i, y + i);
  }
  if (i < n) {
    std::fill(exps, exps + kVirtualLanes, 0.0f);
    MapRow(n - i, exps, exp, x + i);
    sum.Add(term, exps, PaddedFloats(x + i, n - i).values,
            PaddedFloats(y + i, n - i).values);
  }
  return sum.Total();
}

float LargestOfRow(int64_t n, const float* x) { return MaxRow(n, x); }

}  // namespace HWY_NAMESPACE
}  // namespace moe::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace moe::kernels {
namespace scalar {
namespace {

float LargestOfRow(int64_t n, const float* x) { return MaxRow(n, x); }

double SumOfShiftedExps(int64_t n, const float* y, float largest) {
  return SumRow(
      n, [&](int64_t i) { return static_cast<double>(Exp(y[i] - largest)); });
}

double WeightedDifference(int64_t n, const float* x, float largest_x,
                          const float* y, float largest_y) {
  return SumRow(n, [&](int64_t i) {
    const double a = double{x[i]} - double{largest_x};
    const double b = double{y[i]} - double{largest_y};
    return double{Exp(x[i] - largest_x)} * (a - b);
  });
}

}  // namespace
}  // namespace scalar

namespace {

HWY_EXPORT(LargestOfRow);
HWY_EXPORT(SumOfShiftedExps);
HWY_EXPORT(WeightedDifference);

float DivergenceOfRow(int64_t n, const float* x, const float* y) {
  const auto largest = MOE_CHOOSE_KERNEL(LargestOfRow);
  const auto sum_of_exps = MOE_CHOOSE_KERNEL(SumOfShiftedExps);
  const float largest_x = largest(n, x);
  const float largest_y = largest(n, y);
  const double s = sum_of_exps(n, x, largest_x);
  const double t = sum_of_exps(n, y, largest_y);
  const double d =
      MOE_CHOOSE_KERNEL(WeightedDifference)(n, x, largest_x, y, largest_y);
  const double divergence = d / s + double{Log(static_cast<float>(t / s))};
  return divergence > 0.0 ? static_cast<float>(divergence) : 0.0f;
}

}  // namespace

void KlDivergence(base::MatrixView<const float> reference,
                  base::MatrixView<const float> logits,
                  absl::Span<float> divergences, base::ThreadPool& pool) {
  MOE_CHECK(base::SameShape(reference, logits) && logits.cols > 0 &&
            divergences.size() == static_cast<size_t>(logits.rows));
  ParallelRows(logits.rows, logits.cols, pool, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      divergences[static_cast<size_t>(t)] =
          DivergenceOfRow(logits.cols, reference.RowData(t), logits.RowData(t));
    }
  });
}

}  // namespace moe::kernels
#endif  // HWY_ONCE
