// a * b + c, rounded once, on every target, in float or double. Included once
// per target.

#if defined(MOE_KERNELS_SIMD_FUSED_MULTIPLY_ADD_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef MOE_KERNELS_SIMD_FUSED_MULTIPLY_ADD_INL_H_
#undef MOE_KERNELS_SIMD_FUSED_MULTIPLY_ADD_INL_H_
#else
#define MOE_KERNELS_SIMD_FUSED_MULTIPLY_ADD_INL_H_
#endif

#include <cmath>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace moe::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_SSE4

// The product of two floats is exact in double (48 bits). The sum with c is
// rounded to odd: where it was inexact and ended in an even bit, it is moved by
// one unit in the last place towards the exact value. A double rounded to odd
// gives, rounded to float, what the exact value would give, since it has more
// than two bits more (Boldo and Melquiond, "Emulation of FMA and Correctly
// Rounded Sums", IEEE Transactions on Computers 57(4), 2008, theorem 2).
template <class DD, class VD = hn::VFromD<DD>>
HWY_INLINE VD SumRoundedToOdd(DD dd, VD p, VD c) {
  const hn::RebindToUnsigned<DD> du;
  const VD sum = hn::Add(p, c);
  // TwoSum (Knuth): sum + error is p + c exactly.
  const VD c_part = hn::Sub(sum, p);
  const VD p_part = hn::Sub(sum, c_part);
  const VD error = hn::Add(hn::Sub(p, p_part), hn::Sub(c, c_part));
  const VD zero = hn::Zero(dd);
  // False for NaN, which the error is where the sum is infinite.
  const auto inexact = hn::Or(hn::Gt(error, zero), hn::Lt(error, zero));
  const auto bits = hn::BitCast(du, sum);
  const auto odd = hn::And(bits, hn::Set(du, 1));
  // Away from zero if the error has the sum's sign: one more in the bit
  // pattern, else one less.
  const auto sign = hn::ShiftRight<63>(hn::BitCast(du, hn::Xor(error, sum)));
  const auto step = hn::Sub(hn::Set(du, 1), hn::Add(sign, sign));
  const auto moved = hn::BitCast(dd, hn::Add(bits, step));
  const auto is_even = hn::RebindMask(dd, hn::Eq(odd, hn::Zero(du)));
  return hn::IfThenElse(hn::And(inexact, is_even), moved, sum);
}

// The C library's, which is exact with or without an instruction for it.
template <class D, class V = hn::VFromD<D>>
HWY_INLINE V FmaOfDoubles(D d, V a, V b, V c) {
  HWY_ALIGN double factors[hn::MaxLanes(D())];
  HWY_ALIGN double others[hn::MaxLanes(D())];
  HWY_ALIGN double sums[hn::MaxLanes(D())];
  hn::Store(a, d, factors);
  hn::Store(b, d, others);
  hn::Store(c, d, sums);
  for (size_t i = 0; i < hn::MaxLanes(D()); ++i) {
    sums[i] = std::fma(factors[i], others[i], sums[i]);
  }
  return hn::Load(d, sums);
}

template <class D, class V = hn::VFromD<D>>
HWY_INLINE V FmaOfFloats(D d, V a, V b, V c) {
  const hn::Half<D> dh;
  const hn::RepartitionToWide<D> dd;
  const auto half = [&](auto ah, auto bh, auto ch) HWY_ATTR {
    const auto product = hn::Mul(hn::PromoteTo(dd, ah), hn::PromoteTo(dd, bh));
    return hn::DemoteTo(dh,
                        SumRoundedToOdd(dd, product, hn::PromoteTo(dd, ch)));
  };
  const auto lower =
      half(hn::LowerHalf(dh, a), hn::LowerHalf(dh, b), hn::LowerHalf(dh, c));
  const auto upper =
      half(hn::UpperHalf(dh, a), hn::UpperHalf(dh, b), hn::UpperHalf(dh, c));
  return hn::Combine(d, upper, lower);
}

template <class D, class V = hn::VFromD<D>>
HWY_INLINE V Fma(D d, V a, V b, V c) {
  if constexpr (sizeof(hn::TFromD<D>) == sizeof(double)) {
    return FmaOfDoubles(d, a, b, c);
  } else {
    return FmaOfFloats(d, a, b, c);
  }
}

#else  // The hardware's.

template <class D, class V = hn::VFromD<D>>
HWY_INLINE V Fma(D /*d*/, V a, V b, V c) {
  return hn::MulAdd(a, b, c);
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace moe::kernels
HWY_AFTER_NAMESPACE();

#endif  // Per target.
