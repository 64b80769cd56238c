// Fixed-point numbers: integers of 128 bits in units of 2^-fraction_bits.
//
// A sum of floating-point numbers depends on their order; a sum of integers
// does not. So numbers become integers before they are summed over the shards
// of a data set. With F fraction bits the range is |value| < 2^(127 - F) and
// the resolution 2^-F. F is chosen for each kind of sum.

#ifndef MOE_KERNELS_SUMS_FIXED_POINT_H_
#define MOE_KERNELS_SUMS_FIXED_POINT_H_

#include <bit>
#include <cstdint>

#include "moe/kernels/sums/wide_integer.h"

namespace moe::kernels {

inline constexpr int kMaxFractionBits = 127;

// result = value * 2^fraction_bits, rounded to the nearest integer, ties to
// even. Returns false and leaves `result` as it is if the value is NaN or
// infinite, or the integer would not be in (-2^127, 2^127). `fraction_bits`
// must be in [0, kMaxFractionBits]. Subnormal values round like any other; -0
// gives 0. The function is in the header because it is the inner loop at the
// end of a chunk.
inline bool ToFixedPoint(double value, int fraction_bits, Int128& result) {
  constexpr int kMantissaBits = 52;
  constexpr uint64_t kMantissaMask = (uint64_t{1} << kMantissaBits) - 1;
  const uint64_t bits = std::bit_cast<uint64_t>(value);
  const int biased = static_cast<int>(bits >> kMantissaBits & 0x7ff);
  const uint64_t mantissa =
      (bits & kMantissaMask) | (uint64_t{biased != 0} << kMantissaBits);
  // |value| is mantissa * 2^(exponent - 1075).
  const int shift = (biased != 0 ? biased : 1) - 1075 + fraction_bits;
  Uint128 magnitude;
  if (shift >= 0) {
    // The mantissa has 53 bits. The shift of NaN and infinity is at least 972.
    if (shift > 127 - 53) return false;
    magnitude = Uint128{mantissa} << shift;
  } else if (shift >= -53) {
    const uint64_t unit = uint64_t{1} << -shift;
    const uint64_t rest = mantissa & (unit - 1);
    uint64_t rounded = mantissa >> -shift;
    if (rest > unit / 2 || (rest == unit / 2 && (rounded & 1) != 0)) ++rounded;
    magnitude = rounded;
  } else {
    magnitude = 0;  // Less than a half.
  }
  // No branch, which would be mispredicted half of the time: ~m + 1 is -m.
  const Int128 sign = -static_cast<Int128>(bits >> 63);
  result = (static_cast<Int128>(magnitude) ^ sign) - sign;
  return true;
}

// sum += addend. Returns false and leaves `sum` as it is if it would overflow.
inline bool AddFixedPoint(Int128 addend, Int128& sum) {
  Int128 total;
  if (__builtin_add_overflow(sum, addend, &total)) return false;
  sum = total;
  return true;
}

// value * 2^-fraction_bits, rounded to the nearest double, ties to even.
// `fraction_bits` must be in [0, kMaxFractionBits].
double FixedPointToDouble(Int128 value, int fraction_bits);

}  // namespace moe::kernels

#endif  // MOE_KERNELS_SUMS_FIXED_POINT_H_
