// Integers of 128 and 256 bits that finish an exact sum: products, differences,
// and one correctly rounded quotient.
//
// A variance is a small difference of large numbers, n S2 - S1^2. Between
// integers it is exact. Only its quotient is rounded, once.

#ifndef MOE_KERNELS_SUMS_WIDE_INTEGER_H_
#define MOE_KERNELS_SUMS_WIDE_INTEGER_H_

#include <array>
#include <cstdint>

namespace moe::kernels {

__extension__ typedef __int128 Int128;
__extension__ typedef unsigned __int128 Uint128;

// |value|, also for the least Int128.
inline Uint128 Magnitude(Int128 value) {
  const Uint128 bits = static_cast<Uint128>(value);
  return value < 0 ? Uint128{0} - bits : bits;
}

// limbs[0] + limbs[1] 2^64 + limbs[2] 2^128 + limbs[3] 2^192.
struct Uint256 {
  std::array<uint64_t, 4> limbs = {};

  static Uint256 Of(Uint128 value) {
    return {{static_cast<uint64_t>(value), static_cast<uint64_t>(value >> 64),
             0, 0}};
  }
  friend bool operator==(const Uint256& a, const Uint256& b) = default;
};

// a * b; never overflows.
Uint256 Multiply(Uint128 a, Uint128 b);

// Below 0 if a < b, 0 if they are equal, else above 0.
int Compare(const Uint256& a, const Uint256& b);

// a - b, for b <= a.
Uint256 Subtract(const Uint256& a, const Uint256& b);

// a * 2^64, which must fit.
Uint256 ShiftLeftBy64(const Uint256& a);

// The number of bits up to the highest one that is set; 0 for 0.
int BitLength(const Uint256& a);

// value * 2^exponent, rounded to the nearest double, ties to even. The exponent
// must be in [-512, 512], where no result is subnormal or infinite.
double IntegerToDouble(Uint128 value, int exponent);

// numerator / denominator * 2^exponent, rounded to the nearest double, ties to
// even: one rounding of the exact quotient. The denominator must be in
// [1, 2^127), the exponent in [-512, 512]. Takes about one step for each bit of
// the operands.
double QuotientToDouble(const Uint256& numerator, Uint128 denominator,
                        int exponent);

}  // namespace moe::kernels

#endif  // MOE_KERNELS_SUMS_WIDE_INTEGER_H_
