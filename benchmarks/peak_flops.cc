#include "benchmarks/peak_flops.h"

#include <cstdint>

#include "moe/kernels/simd/highway_targets.h"
#include "moe/kernels/simd/simd_target.h"
#include "moe/kernels/simd/unroll.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "benchmarks/peak_flops.cc"
#include "hwy/foreach_target.h"
// These must follow foreach_target.
#include "hwy/highway.h"
#include "moe/kernels/simd/fused_multiply_add-inl.h"

HWY_BEFORE_NAMESPACE();
namespace moe::benchmarks {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class D>
HWY_INLINE double RunChains(D d, int64_t num_rounds) {
  // More than latency times throughput needs (4 cycles, 2 a cycle), and fewer
  // than there are registers.
  constexpr int kChains = 12;
  using V = hn::VFromD<D>;
  using T = hn::TFromD<D>;
  V sums[kChains];
  MOE_UNROLL
  for (int i = 0; i < kChains; ++i) {
    sums[i] = hn::Set(d, static_cast<T>(i));
  }
  const V factor = hn::Set(d, static_cast<T>(0.999));
  const V addend = hn::Set(d, static_cast<T>(0.001));
  for (int64_t round = 0; round < num_rounds; ++round) {
    MOE_UNROLL
    for (int i = 0; i < kChains; ++i) {
      sums[i] = kernels::HWY_NAMESPACE::Fma(d, sums[i], factor, addend);
    }
  }
  V total = sums[0];
  for (int i = 1; i < kChains; ++i) total = hn::Add(total, sums[i]);
  // The compiler must not drop the computation.
  volatile T used = hn::GetLane(hn::SumOfLanes(d, total));
  (void)used;
  return 2.0 * kChains * static_cast<double>(hn::Lanes(d)) *
         static_cast<double>(num_rounds);
}

double RunPeak(int64_t num_rounds) {
  return RunChains(hn::CappedTag<float, 16>(), num_rounds);
}

double RunPeakDouble(int64_t num_rounds) {
  return RunChains(hn::CappedTag<double, 8>(), num_rounds);
}

}  // namespace HWY_NAMESPACE
}  // namespace moe::benchmarks
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace moe::benchmarks {
namespace {
HWY_EXPORT(RunPeak);
HWY_EXPORT(RunPeakDouble);
}  // namespace

double RunPeakFlops(int64_t num_rounds) {
  (void)kernels::ActiveSimdTarget();  // The dispatch uses it.
  return HWY_DYNAMIC_DISPATCH(RunPeak)(num_rounds);
}

double RunPeakDoubleFlops(int64_t num_rounds) {
  (void)kernels::ActiveSimdTarget();
  return HWY_DYNAMIC_DISPATCH(RunPeakDouble)(num_rounds);
}

}  // namespace moe::benchmarks
#endif  // HWY_ONCE
