#include "moe/kernels/sums/add_fixed_points.h"

#include <cstdint>

#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/kernels/simd/choose_kernel.h"
#include "moe/kernels/simd/highway_targets.h"
#include "moe/kernels/sums/fixed_point.h"
#include "moe/kernels/sums/wide_integer.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "moe/kernels/sums/add_fixed_points.cc"
#include "hwy/foreach_target.h"
// After foreach_target.
#include "hwy/highway.h"

#ifndef MOE_KERNELS_SUMS_ADD_FIXED_POINTS_ONCE_
#define MOE_KERNELS_SUMS_ADD_FIXED_POINTS_ONCE_
namespace moe::kernels::internal {

// Adds the values [begin, end) one by one. Returns where it stopped.
inline int64_t AddOneByOne(const double* values, int64_t begin, int64_t end,
                           int fraction_bits, Int128* sums) {
  for (int64_t i = begin; i < end; ++i) {
    Int128 addend;
    if (!ToFixedPoint(values[i], fraction_bits, addend) ||
        !AddFixedPoint(addend, sums[i])) {
      return i;
    }
  }
  return end;
}

}  // namespace moe::kernels::internal
#endif  // MOE_KERNELS_SUMS_ADD_FIXED_POINTS_ONCE_

HWY_BEFORE_NAMESPACE();
namespace moe::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX2

using DU = hn::CappedTag<uint64_t, 8>;
using DI = hn::RebindToSigned<DU>;
using VU = hn::VFromD<DU>;

// All ones where a < b as unsigned integers, else 0.
HWY_INLINE VU LessThan(VU a, VU b) {
  const VU top = hn::Set(DU(), uint64_t{1} << 63);
  return hn::VecFromMask(
      DU(), hn::RebindMask(DU(), hn::Lt(hn::BitCast(DI(), hn::Xor(a, top)),
                                        hn::BitCast(DI(), hn::Xor(b, top)))));
}

// Adds a vector of values if each is zero or has all of its bits above
// 2^-fraction_bits, and no sum overflows. Otherwise returns false and changes
// nothing. `unit` is 1075 - fraction_bits.
HWY_INLINE bool AddVector(const double* values, int64_t unit, Int128* sums) {
  const DU du;
  const DI di;
  const VU bits = hn::LoadU(du, reinterpret_cast<const uint64_t*>(values));
  const auto is_zero = hn::Eq(hn::ShiftLeft<1>(bits), hn::Zero(du));
  const VU mantissa = hn::IfThenZeroElse(
      is_zero, hn::Or(hn::And(bits, hn::Set(du, (uint64_t{1} << 52) - 1)),
                      hn::Set(du, uint64_t{1} << 52)));
  const VU biased = hn::And(hn::ShiftRight<52>(bits), hn::Set(du, 0x7ff));
  const auto shift =
      hn::IfThenZeroElse(hn::RebindMask(di, is_zero),
                         hn::Sub(hn::BitCast(di, biased), hn::Set(di, unit)));
  // The mantissa has 53 bits of 127.
  if (!hn::AllTrue(di, hn::And(hn::Gt(shift, hn::Set(di, -1)),
                               hn::Lt(shift, hn::Set(di, 127 - 53 + 1))))) {
    return false;
  }
  const VU count = hn::BitCast(du, shift);
  const VU all = hn::Set(du, 64);
  // On these targets a shift by 64 or more, or by a negative number, gives 0.
  VU low = hn::Shl(mantissa, count);
  VU high = hn::Or(hn::Shr(mantissa, hn::Sub(all, count)),
                   hn::Shl(mantissa, hn::Sub(count, all)));
  // ~m + 1 is -m.
  const VU sign = hn::BitCast(du, hn::BroadcastSignBit(hn::BitCast(di, bits)));
  const VU one = hn::ShiftRight<63>(bits);
  low = hn::Xor(low, sign);
  high = hn::Xor(high, sign);
  VU sum_low, sum_high;
  auto* const words = reinterpret_cast<uint64_t*>(sums);
  hn::LoadInterleaved2(du, words, sum_low, sum_high);
  const VU part = hn::Add(sum_low, low);
  const VU total_low = hn::Add(part, one);
  // Subtracting all ones adds the carry.
  const VU total_high =
      hn::Sub(hn::Sub(hn::Add(sum_high, high), LessThan(part, low)),
              LessThan(total_low, one));
  // Overflow: two numbers of the same sign have a sum of the other sign.
  const VU overflow =
      hn::AndNot(hn::Xor(sum_high, sign), hn::Xor(sum_high, total_high));
  if (!hn::AllTrue(di, hn::Gt(hn::BitCast(di, overflow), hn::Set(di, -1)))) {
    return false;
  }
  hn::StoreInterleaved2(total_low, total_high, du, words);
  return true;
}

int64_t AddAll(const double* values, int64_t count, int fraction_bits,
               Int128* sums) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(DU()));
  const int64_t unit = 1075 - int64_t{fraction_bits};
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    if (AddVector(values + i, unit, sums + i)) continue;
    const int64_t stopped =
        internal::AddOneByOne(values, i, i + lanes, fraction_bits, sums);
    if (stopped < i + lanes) return stopped;
  }
  return internal::AddOneByOne(values, i, count, fraction_bits, sums);
}

#else

int64_t AddAll(const double* values, int64_t count, int fraction_bits,
               Int128* sums) {
  return internal::AddOneByOne(values, 0, count, fraction_bits, sums);
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace moe::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace moe::kernels {
namespace scalar {
namespace {

int64_t AddAll(const double* values, int64_t count, int fraction_bits,
               Int128* sums) {
  return internal::AddOneByOne(values, 0, count, fraction_bits, sums);
}

}  // namespace
}  // namespace scalar

namespace {
HWY_EXPORT(AddAll);
}  // namespace

int64_t AddFixedPoints(absl::Span<const double> values, int fraction_bits,
                       absl::Span<Int128> sums) {
  MOE_CHECK(values.size() == sums.size());
  return MOE_CHOOSE_KERNEL(AddAll)(values.data(),
                                   static_cast<int64_t>(values.size()),
                                   fraction_bits, sums.data());
}

}  // namespace moe::kernels
#endif  // HWY_ONCE
