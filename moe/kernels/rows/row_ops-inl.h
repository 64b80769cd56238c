// Loops over a row of floats, for kernels that are compiled once per SIMD
// target.
//
// Elementwise work takes whole vectors. The end of a row goes through a padded
// buffer with the same arithmetic. Sums have a fixed virtual width that does
// not depend on the vectors: 16 lanes of double. Lane j adds the elements j, j
// + 16, j + 32, ... in this order from +0. Then a fixed tree adds the lanes:
// lane j += lane j + 8, then 4, 2, 1. Elements past the end of the row count as
// zero.

#if defined(MOE_KERNELS_ROWS_ROW_OPS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef MOE_KERNELS_ROWS_ROW_OPS_INL_H_
#undef MOE_KERNELS_ROWS_ROW_OPS_INL_H_
#else
#define MOE_KERNELS_ROWS_ROW_OPS_INL_H_
#endif

#include <cstdint>
#include <cstring>

#include "hwy/cache_control.h"
#include "hwy/highway.h"
#include "moe/kernels/simd/unroll.h"

HWY_BEFORE_NAMESPACE();
namespace moe::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Capped, so that a vector is never wider than the virtual width.
using DF = hn::CappedTag<float, 16>;
using VF = hn::VFromD<DF>;
using DD = hn::RepartitionToWide<DF>;
using VD = hn::VFromD<DD>;
constexpr int64_t kFloatLanes = static_cast<int64_t>(hn::MaxLanes(DF()));
constexpr int64_t kDoubleLanes = static_cast<int64_t>(hn::MaxLanes(DD()));
constexpr int64_t kVirtualLanes = 16;
constexpr int64_t kSumParts = kVirtualLanes / kDoubleLanes;

// `count` floats at `from`, then zeros.
struct PaddedFloats {
  PaddedFloats(const float* from, int64_t count) {
    std::memcpy(values, from, static_cast<size_t>(count) * sizeof(float));
  }
  HWY_ALIGN float values[kVirtualLanes] = {};
};

// Prefetches what a loop will read soon, also behind the end of the row, where
// the next row mostly begins: the hardware's own prefetching stops at a page.
template <typename... In>
HWY_INLINE void PrefetchAhead(const In*... in) {
  constexpr int64_t kFloatsAhead = 512;
  (hwy::Prefetch(in + kFloatsAhead), ...);
}

// out[i] = f(in[i]...) for i in [0, n). `out` may be one of the inputs.
template <typename F, typename... In>
HWY_INLINE void MapRow(int64_t n, float* out, F f, const In*... in) {
  const DF d;
  int64_t i = 0;
  for (; i + kFloatLanes <= n; i += kFloatLanes) {
    PrefetchAhead((in + i)...);
    hn::StoreU(f(hn::LoadU(d, in + i)...), d, out + i);
  }
  if (i == n) return;
  HWY_ALIGN float result[kFloatLanes];
  hn::Store(f(hn::Load(d, PaddedFloats(in + i, n - i).values)...), d, result);
  std::memcpy(out + i, result, static_cast<size_t>(n - i) * sizeof(float));
}

// A sum of the virtual width.
class LaneSum {
 public:
  HWY_INLINE LaneSum() {
    MOE_UNROLL
    for (int64_t p = 0; p < kSumParts; ++p) parts_[p] = hn::Zero(DD());
  }

  // Adds f(in[j]...) to lane j for 16 elements. The inputs are promoted.
  template <typename F, typename... In>
  HWY_INLINE void Add(F f, const In*... in) {
    const DD dd;
    const hn::Rebind<float, DD> df;
    MOE_UNROLL
    for (int64_t p = 0; p < kSumParts; ++p) {
      parts_[p] = hn::Add(
          parts_[p],
          f(hn::PromoteTo(dd, hn::LoadU(df, in + p * kDoubleLanes))...));
    }
  }

  // Adds a vector to the lanes [q * kFloatLanes, (q + 1) * kFloatLanes).
  HWY_INLINE void AddValues(int64_t q, VF values) {
    const DD dd;
    const hn::Half<DF> dh;
    AddHalf(2 * q, hn::PromoteTo(dd, hn::LowerHalf(dh, values)));
    AddHalf(2 * q + 1, hn::PromoteTo(dd, hn::UpperHalf(dh, values)));
  }

  // The same with exact products.
  HWY_INLINE void AddProducts(int64_t q, VF a, VF b) {
    const DD dd;
    const hn::Half<DF> dh;
    AddHalf(2 * q, hn::Mul(hn::PromoteTo(dd, hn::LowerHalf(dh, a)),
                           hn::PromoteTo(dd, hn::LowerHalf(dh, b))));
    AddHalf(2 * q + 1, hn::Mul(hn::PromoteTo(dd, hn::UpperHalf(dh, a)),
                               hn::PromoteTo(dd, hn::UpperHalf(dh, b))));
  }

  HWY_INLINE double Total() const {
    const DD dd;
    HWY_ALIGN double lanes[kVirtualLanes];
    MOE_UNROLL
    for (int64_t p = 0; p < kSumParts; ++p) {
      hn::Store(parts_[p], dd, lanes + p * kDoubleLanes);
    }
    for (int64_t width = kVirtualLanes / 2; width > 0; width /= 2) {
      for (int64_t j = 0; j < width; ++j) lanes[j] += lanes[j + width];
    }
    return lanes[0];
  }

 private:
  HWY_INLINE void AddHalf(int64_t part, VD values) {
    parts_[part] = hn::Add(parts_[part], values);
  }

  VD parts_[kSumParts];
};

// The sum over i of f(in[i]...), a function of doubles with f(0...) = 0.
template <typename F, typename... In>
HWY_INLINE double SumRow(int64_t n, F f, const In*... in) {
  LaneSum sum;
  int64_t i = 0;
  for (; i + kVirtualLanes <= n; i += kVirtualLanes) {
    PrefetchAhead((in + i)...);
    sum.Add(f, (in + i)...);
  }
  if (i < n) sum.Add(f, PaddedFloats(in + i, n - i).values...);
  return sum.Total();
}

HWY_INLINE double SumProducts(int64_t n, const float* a, const float* b) {
  // A product of two floats is exact in double: nothing to fuse.
  return SumRow(
      n, [](VD x, VD y) HWY_ATTR { return hn::Mul(x, y); }, a, b);
}

HWY_INLINE double SumValues(int64_t n, const float* a) {
  return SumRow(
      n, [](VD x) HWY_ATTR { return x; }, a);
}

// The sum of f(in[i]) over i. Each value is rounded to float before it is
// added. Stores the values in `out` if that is not null. f(0) may be anything.
// `soon` are rows of n elements that will be read or written next, such as the
// next row of the input: they come from memory while the processor computes.
template <typename F, typename... Soon>
HWY_INLINE double MapAndSumRow(int64_t n, float* out, F f, const float* in,
                               const Soon*... soon) {
  const DF d;
  LaneSum sum;
  int64_t i = 0;
  for (; i + kVirtualLanes <= n; i += kVirtualLanes) {
    (hwy::Prefetch(soon + i), ...);
    if (out != nullptr) PrefetchAhead(out + i);
    MOE_UNROLL
    for (int64_t q = 0; q < kVirtualLanes / kFloatLanes; ++q) {
      const VF values = f(hn::LoadU(d, in + i + q * kFloatLanes));
      if (out != nullptr) hn::StoreU(values, d, out + i + q * kFloatLanes);
      sum.AddValues(q, values);
    }
  }
  if (i < n) {
    HWY_ALIGN float rest[kVirtualLanes] = {};
    MapRow(n - i, rest, f, in + i);
    if (out != nullptr) {
      std::memcpy(out + i, rest, static_cast<size_t>(n - i) * sizeof(float));
    }
    for (int64_t q = 0; q < kVirtualLanes / kFloatLanes; ++q) {
      sum.AddValues(q, hn::Load(d, rest + q * kFloatLanes));
    }
  }
  return sum.Total();
}

// The largest f(x[i]) of n > 0 elements.
template <typename F>
HWY_INLINE float MaxRow(int64_t n, F f, const float* x) {
  const DF d;
  VF largest = f(hn::Set(d, x[0]));
  int64_t i = 0;
  for (; i + kFloatLanes <= n; i += kFloatLanes) {
    PrefetchAhead(x + i);
    largest = hn::Max(largest, f(hn::LoadU(d, x + i)));
  }
  for (; i < n; ++i) largest = hn::Max(largest, f(hn::Set(d, x[i])));
  return hn::GetLane(hn::MaxOfLanes(d, largest));
}

HWY_INLINE float MaxRow(int64_t n, const float* x) {
  return MaxRow(
      n, [](VF value) HWY_ATTR { return value; }, x);
}

}  // namespace HWY_NAMESPACE
}  // namespace moe::kernels
HWY_AFTER_NAMESPACE();

#endif  // Per target.
