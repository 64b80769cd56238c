// exp of a vector of floats, correctly rounded, on every target. Included once
// per target.
//
// In double, with x = k ln 2 + r and |r| <= ln 2 / 2:
//   exp(x) = 2^k (1 + (r + r^2 q(r)))
// where q is the Chebyshev interpolant of degree 9 of (e^r - 1 - r) / r^2 on
// that interval. The error of the formula is 1.3e-17, 2^-56, an eighth of a
// rounding of double. Multiply-adds are fused if the hardware can, and are two
// operations otherwise. This gives different doubles but the same floats: each
// is the correctly rounded one. There is no proof of this, but
// float_math_exhaustive_test tries every float on every target.

#if defined(MOE_KERNELS_MATH_EXP_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef MOE_KERNELS_MATH_EXP_INL_H_
#undef MOE_KERNELS_MATH_EXP_INL_H_
#else
#define MOE_KERNELS_MATH_EXP_INL_H_
#endif

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace moe::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// a b + c in double, rounded once or twice.
template <class VD>
HWY_INLINE VD MulAddDouble(VD a, VD b, VD c) {
#if HWY_TARGET == HWY_SSE4
  return hn::Add(hn::Mul(a, b), c);
#else
  return hn::MulAdd(a, b, c);
#endif
}

// exp(x) as a double with a relative error of about 2^-53, for x in [-110, 90].
// NaN for NaN.
#if HWY_TARGET == HWY_AVX3
// Takes half of the multiply-adds of the formula below: x = (16 m + j) ln 2 /
// 16 + r, and 2^(j / 16) comes from a table of two registers.
template <class DD, class VD = hn::VFromD<DD>>
HWY_INLINE VD ExpDouble(DD dd, VD x) {
  const hn::RebindToUnsigned<DD> du;
  // 2^(j / 16) less j 2^48: what is added below brings j along.
  alignas(64) static constexpr uint64_t kPowers[16] = {
      0x3ff0000000000000, 0x3fefb5586cf9890f, 0x3fef72b83c7d517b,
      0x3fef387a6e756238, 0x3fef06fe0a31b715, 0x3feedea64c123422,
      0x3feebfdad5362a27, 0x3feeab07dd485429, 0x3feea09e667f3bcd,
      0x3feea11473eb0187, 0x3feeace5422aa0db, 0x3feec49182a3f090,
      0x3feee89f995ad3ad, 0x3fef199bdd85529c, 0x3fef5818dcfba487,
      0x3fefa4afa2a490da};
  // Adding 1.5 * 2^52 leaves the nearest integer, 16 m + j, in the low bits.
  const VD round = hn::Set(dd, 0x1.8p52);
  const VD shifted = hn::MulAdd(x, hn::Set(dd, 0x1.71547652b82fep+4), round);
  const VD k = hn::Sub(shifted, round);
  // ln 2 / 16 in two parts; the product with the first, of 38 bits, is exact.
  VD r = hn::MulAdd(k, hn::Set(dd, -0x1.62e42fefa0000p-5), x);
  r = hn::MulAdd(k, hn::Set(dd, -0x1.cf79abc9e3b3ap-44), r);
  const VD r2 = hn::Mul(r, r);
  const VD q01 = hn::MulAdd(r, hn::Set(dd, 0x1.55555554dd388p-3),
                            hn::Set(dd, 0x1.0000000000000p-1));
  const VD q23 = hn::MulAdd(r, hn::Set(dd, 0x1.11120b03cd855p-7),
                            hn::Set(dd, 0x1.555555551946fp-5));
  const VD q2 = hn::MulAdd(r2, hn::Set(dd, 0x1.6c17bb5ebddb4p-10), q23);
  const VD p = hn::MulAdd(r2, hn::MulAdd(r2, q2, q01), r);
  const auto index = hn::BitCast(du, shifted);
  const auto power = decltype(index){_mm512_permutex2var_epi64(
      hn::Load(du, kPowers).raw, index.raw, hn::Load(du, kPowers + 8).raw)};
  const VD scale = hn::BitCast(dd, hn::Add(power, hn::ShiftLeft<48>(index)));
  return hn::MulAdd(scale, p, scale);
}
#else
template <class DD, class VD = hn::VFromD<DD>>
HWY_INLINE VD ExpDouble(DD dd, VD x) {
  const hn::RebindToUnsigned<DD> du;
  // Adding 1.5 * 2^52 leaves the nearest integer in the low bits.
  const VD round = hn::Set(dd, 0x1.8p52);
  const VD shifted = MulAddDouble(x, hn::Set(dd, 0x1.71547652b82fep+0), round);
  const VD k = hn::Sub(shifted, round);
  // ln 2 in two parts; the product with the first, of 42 bits, is exact.
  VD r = MulAddDouble(k, hn::Set(dd, -0x1.62e42fefa3800p-1), x);
  r = MulAddDouble(k, hn::Set(dd, -0x1.ef35793c76730p-45), r);
  const VD r2 = hn::Mul(r, r);
  const VD r4 = hn::Mul(r2, r2);
  const auto pair = [&](double c0, double c1) HWY_ATTR {
    return MulAddDouble(r, hn::Set(dd, c1), hn::Set(dd, c0));
  };
  const VD q01 = pair(0x1.0000000000001p-1, 0x1.5555555555556p-3);
  const VD q23 = pair(0x1.5555555553d63p-5, 0x1.11111111109b3p-7);
  const VD q45 = pair(0x1.6c16c1788bd90p-10, 0x1.a01a01a7c41d5p-13);
  const VD q67 = pair(0x1.a019b90d2ae7ap-16, 0x1.71de0dae63bb3p-19);
  const VD q89 = pair(0x1.289185613a3d6p-22, 0x1.af38a9b0ec855p-26);
  const VD q4 = MulAddDouble(r4, q89, MulAddDouble(r2, q67, q45));
  const VD q = MulAddDouble(r4, q4, MulAddDouble(r2, q23, q01));
  const VD p = hn::Add(hn::Set(dd, 1.0), MulAddDouble(r2, q, r));
  // p is in (0.7, 1.5): adding k to its exponent cannot overflow.
  const auto scale = hn::ShiftLeft<52>(hn::BitCast(du, shifted));
  return hn::BitCast(dd, hn::Add(hn::BitCast(du, p), scale));
}
#endif

// exp(x), correctly rounded: 0 below about -103.97, subnormal below -87.3,
// infinity above 88.72; NaN for NaN.
template <class D, class V = hn::VFromD<D>>
HWY_INLINE V Exp(D d, V x) {
  const hn::Half<D> dh;
  const hn::RepartitionToWide<D> dd;
  // Beyond these bounds the result is that at the bound.
  const V low = hn::Set(d, -110.0f);
  const V high = hn::Set(d, 90.0f);
#if HWY_ARCH_X86
  x = hn::Min(high, hn::Max(low, x));  // In this order NaN stays NaN.
#else
  x = hn::IfThenElse(hn::Lt(x, low), low, x);
  x = hn::IfThenElse(hn::Gt(x, high), high, x);
#endif
  const auto lower =
      hn::DemoteTo(dh, ExpDouble(dd, hn::PromoteTo(dd, hn::LowerHalf(dh, x))));
  const auto upper =
      hn::DemoteTo(dh, ExpDouble(dd, hn::PromoteTo(dd, hn::UpperHalf(dh, x))));
  return hn::Combine(d, upper, lower);
}

}  // namespace HWY_NAMESPACE
}  // namespace moe::kernels
HWY_AFTER_NAMESPACE();

#endif  // Per target.
