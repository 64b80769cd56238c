// exp of a vector of floats, correctly rounded, on every target. Included once
// per target.
//
// In double: x = k ln 2 + r with |r| <= ln 2 / 2, then 2^k (1 + (r + r^2
// q(r))). Only additions, multiplications and integer operations, none of them
// fused, so that every target takes the same roundings. q is the Chebyshev
// interpolant of (e^r - 1 - r) / r^2 of degree 10 on that interval: the
// formula's error is 1.7e-19, 2^-62, which is lost beside the roundings of
// double. That the result is nevertheless the correctly rounded one for every
// float is not a theorem but a finding: float_math_exhaustive_test tries them
// all.

#if defined(MOE_KERNELS_MATH_EXP_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef MOE_KERNELS_MATH_EXP_INL_H_
#undef MOE_KERNELS_MATH_EXP_INL_H_
#else
#define MOE_KERNELS_MATH_EXP_INL_H_
#endif

#include <cstdint>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace moe {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// exp(x) as a double with a relative error of about 2^-53, for x in [-110, 90].
// NaN for NaN.
template <class DD, class VD = hn::VFromD<DD>>
HWY_INLINE VD ExpDouble(DD dd, VD x) {
  const hn::RebindToUnsigned<DD> du;
  // Adding 1.5 * 2^52 leaves the nearest integer in the low bits.
  const VD round = hn::Set(dd, 0x1.8p52);
  const VD shifted =
      hn::Add(hn::Mul(x, hn::Set(dd, 0x1.71547652b82fep+0)), round);
  const VD k = hn::Sub(shifted, round);
  // ln 2 in two parts; the product with the first, of 42 bits, is exact.
  const VD r =
      hn::Sub(hn::Sub(x, hn::Mul(k, hn::Set(dd, 0x1.62e42fefa3800p-1))),
              hn::Mul(k, hn::Set(dd, 0x1.ef35793c76730p-45)));
  const VD r2 = hn::Mul(r, r);
  const VD r4 = hn::Mul(r2, r2);
  const auto pair = [&](double c0, double c1) HWY_ATTR {
    return hn::Add(hn::Set(dd, c0), hn::Mul(hn::Set(dd, c1), r));
  };
  const VD q01 = pair(0x1.0000000000000p-1, 0x1.5555555555557p-3);
  const VD q23 = pair(0x1.5555555555556p-5, 0x1.11111111100dcp-7);
  const VD q45 = pair(0x1.6c16c16c162d4p-10, 0x1.a01a01abe7fe1p-13);
  const VD q67 = pair(0x1.a01a01a6d889cp-16, 0x1.71de0231960ebp-19);
  const VD q89 = pair(0x1.27e4db646b17ep-22, 0x1.af4de97ca4194p-26);
  const VD q8 = hn::Add(q89, hn::Mul(r2, hn::Set(dd, 0x1.1f730349868cep-29)));
  const VD q4 = hn::Add(q45, hn::Mul(r2, q67));
  const VD q0 = hn::Add(q01, hn::Mul(r2, q23));
  const VD q = hn::Add(q0, hn::Mul(r4, hn::Add(q4, hn::Mul(r4, q8))));
  const VD p = hn::Add(hn::Set(dd, 1.0), hn::Add(r, hn::Mul(r2, q)));
  // p is in (0.7, 1.5): adding k to its exponent cannot overflow.
  const auto scale = hn::ShiftLeft<52>(hn::BitCast(du, shifted));
  return hn::BitCast(dd, hn::Add(hn::BitCast(du, p), scale));
}

// exp(x), correctly rounded: 0 below about -103.97, subnormal below -87.3,
// infinity above 88.72; NaN for NaN.
template <class D, class V = hn::VFromD<D>>
HWY_INLINE V Exp(D d, V x) {
  const hn::Half<D> dh;
  const hn::RepartitionToWide<D> dd;
  // The results at these bounds are what lies beyond them. Selects, not minimum
  // and maximum, which treat NaN differently from target to target.
  const V low = hn::Set(d, -110.0f);
  const V high = hn::Set(d, 90.0f);
  x = hn::IfThenElse(hn::Lt(x, low), low, x);
  x = hn::IfThenElse(hn::Gt(x, high), high, x);
  const auto lower =
      hn::DemoteTo(dh, ExpDouble(dd, hn::PromoteTo(dd, hn::LowerHalf(dh, x))));
  const auto upper =
      hn::DemoteTo(dh, ExpDouble(dd, hn::PromoteTo(dd, hn::UpperHalf(dh, x))));
  return hn::Combine(d, upper, lower);
}

}  // namespace HWY_NAMESPACE
}  // namespace moe
HWY_AFTER_NAMESPACE();

#endif  // Per target.
