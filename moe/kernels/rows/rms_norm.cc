#include "moe/kernels/rows/rms_norm.h"

#include <cmath>
#include <cstdint>

#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/rows/parallel_rows.h"
#include "moe/kernels/rows/scalar_row.h"
#include "moe/kernels/simd/choose_kernel.h"
#include "moe/kernels/simd/highway_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "moe/kernels/rows/rms_norm.cc"
#include "hwy/foreach_target.h"
// After foreach_target.
#include "hwy/highway.h"
#include "moe/kernels/rows/row_ops-inl.h"

#ifndef MOE_KERNELS_ROWS_RMS_NORM_ARGS_
#define MOE_KERNELS_ROWS_RMS_NORM_ARGS_
namespace moe::kernels::internal {

struct RmsNormArgs {
  const float* weight;
  int64_t size;
  float epsilon;
};

// 1 / sqrt(mean + epsilon).
inline double InverseRms(double sum_of_squares, const RmsNormArgs& args) {
  const double mean = sum_of_squares / static_cast<double>(args.size);
  return 1.0 / std::sqrt(mean + static_cast<double>(args.epsilon));
}

inline float BackwardFactor(double inverse_rms, double sum_gx,
                            const RmsNormArgs& args) {
  const double cube = inverse_rms * inverse_rms * inverse_rms;
  return static_cast<float>(cube / static_cast<double>(args.size) * sum_gx);
}

}  // namespace moe::kernels::internal
#endif  // MOE_KERNELS_ROWS_RMS_NORM_ARGS_

HWY_BEFORE_NAMESPACE();
namespace moe::kernels {
namespace HWY_NAMESPACE {
using internal::RmsNormArgs;

void RmsNormRow(const RmsNormArgs& args, const float* x, float* y) {
  const double sum = SumProducts(args.size, x, x);
  const VF r =
      hn::Set(DF(), static_cast<float>(internal::InverseRms(sum, args)));
  MapRow(
      args.size, y,
      [&](VF value, VF weight)
          HWY_ATTR { return hn::Mul(hn::Mul(value, r), weight); },
      x, args.weight);
}

// sum x_i^2 and sum g_i x_i in one pass, with g_i = dy_i weight_i rounded to
// float as below. Row `soon` is written after the pass, so it is prefetched.
struct BackwardSums {
  double xx;
  double gx;
};
BackwardSums SumForBackward(const RmsNormArgs& args, const float* x,
                            const float* dy, const float* soon) {
  const DF d;
  LaneSum xx, gx;
  const auto add = [&](const float* x16, const float* dy16,
                       const float* weight16) HWY_ATTR {
    MOE_UNROLL
    for (int64_t q = 0; q < kVirtualLanes / kFloatLanes; ++q) {
      const int64_t at = q * kFloatLanes;
      const VF value = hn::LoadU(d, x16 + at);
      const VF g =
          hn::Mul(hn::LoadU(d, dy16 + at), hn::LoadU(d, weight16 + at));
      xx.AddProducts(q, value, value);
      gx.AddProducts(q, g, value);
    }
  };
  int64_t i = 0;
  for (; i + kVirtualLanes <= args.size; i += kVirtualLanes) {
    PrefetchAhead(x + i, dy + i);
    hwy::Prefetch(soon + i);
    add(x + i, dy + i, args.weight + i);
  }
  if (i < args.size) {
    const int64_t count = args.size - i;
    add(PaddedFloats(x + i, count).values, PaddedFloats(dy + i, count).values,
        PaddedFloats(args.weight + i, count).values);
  }
  return {xx.Total(), gx.Total()};
}

void RmsNormBackwardRow(const RmsNormArgs& args, const float* x,
                        const float* dy, float* dx) {
  const BackwardSums sums = SumForBackward(args, x, dy, dx);
  const double rms = internal::InverseRms(sums.xx, args);
  const DF d;
  const VF r = hn::Set(d, static_cast<float>(rms));
  const VF c = hn::Set(d, internal::BackwardFactor(rms, sums.gx, args));
  MapRow(
      args.size, dx,
      [&](VF value, VF gradient, VF weight) HWY_ATTR {
        const VF g = hn::Mul(gradient, weight);
        return hn::Sub(hn::Mul(g, r), hn::Mul(value, c));
      },
      x, dy, args.weight);
}

}  // namespace HWY_NAMESPACE
}  // namespace moe::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace moe::kernels {
namespace scalar {
namespace {

void RmsNormRow(const internal::RmsNormArgs& args, const float* x, float* y) {
  const auto r = static_cast<float>(
      internal::InverseRms(SumProducts(args.size, x, x), args));
  for (int64_t i = 0; i < args.size; ++i) y[i] = (x[i] * r) * args.weight[i];
}

void RmsNormBackwardRow(const internal::RmsNormArgs& args, const float* x,
                        const float* dy, float* dx) {
  const double rms = internal::InverseRms(SumProducts(args.size, x, x), args);
  const auto gradient = [&](int64_t i) { return dy[i] * args.weight[i]; };
  const double sum_gx = SumRow(args.size, [&](int64_t i) {
    return static_cast<double>(gradient(i)) * x[i];
  });
  const auto r = static_cast<float>(rms);
  const float c = internal::BackwardFactor(rms, sum_gx, args);
  for (int64_t i = 0; i < args.size; ++i) dx[i] = gradient(i) * r - x[i] * c;
}

}  // namespace
}  // namespace scalar

namespace {
HWY_EXPORT(RmsNormRow);
HWY_EXPORT(RmsNormBackwardRow);
}  // namespace

void RmsNorm(base::MatrixView<const float> x, absl::Span<const float> weight,
             float epsilon, base::MatrixView<float> y, base::ThreadPool& pool) {
  MOE_CHECK(base::SameShape(x, y) &&
            x.cols == static_cast<int64_t>(weight.size()));
  const internal::RmsNormArgs args = {weight.data(), x.cols, epsilon};
  const auto row = MOE_CHOOSE_KERNEL(RmsNormRow);
  ParallelRows(x.rows, x.cols, pool, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) row(args, x.RowData(t), y.RowData(t));
  });
}

void RmsNormBackward(base::MatrixView<const float> x,
                     absl::Span<const float> weight, float epsilon,
                     base::MatrixView<const float> dy,
                     base::MatrixView<float> dx, base::ThreadPool& pool) {
  MOE_CHECK(base::SameShape(x, dy) && base::SameShape(x, dx) &&
            x.cols == static_cast<int64_t>(weight.size()));
  const internal::RmsNormArgs args = {weight.data(), x.cols, epsilon};
  const auto row = MOE_CHOOSE_KERNEL(RmsNormBackwardRow);
  ParallelRows(x.rows, x.cols, pool, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      row(args, x.RowData(t), dy.RowData(t), dx.RowData(t));
    }
  });
}

}  // namespace moe::kernels
#endif  // HWY_ONCE
