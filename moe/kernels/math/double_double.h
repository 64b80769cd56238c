// Unevaluated sums of two doubles, for functions that have to be right to more
// than the 53 bits of one.
//
// From Dekker, "A Floating-Point Technique for Extending the Available
// Precision", Numerische Mathematik 18 (1971), with the exact product by a
// fused multiply-add (Ogita, Rump and Oishi, "Accurate Sum and Dot Product",
// SIAM J. Sci. Comput. 26(6), 2005, algorithms 3.1 to 3.5). About 2^-102
// relative error an operation.

#ifndef MOE_KERNELS_MATH_DOUBLE_DOUBLE_H_
#define MOE_KERNELS_MATH_DOUBLE_DOUBLE_H_

#include <bit>
#include <cmath>
#include <cstdint>

namespace moe::kernels {

// hi + lo; where normalised, |lo| is at most half a unit in the last place of
// hi.
struct DoubleDouble {
  double hi = 0.0;
  double lo = 0.0;
};

// a + b exactly.
inline DoubleDouble TwoSum(double a, double b) {
  const double sum = a + b;
  const double b_part = sum - a;
  const double a_part = sum - b_part;
  return {sum, (a - a_part) + (b - b_part)};
}

// a * b exactly, unless the error underflows.
inline DoubleDouble TwoProduct(double a, double b) {
  const double product = a * b;
  return {product, std::fma(a, b, -product)};
}

inline DoubleDouble operator+(DoubleDouble a, DoubleDouble b) {
  const DoubleDouble sum = TwoSum(a.hi, b.hi);
  const DoubleDouble tail = TwoSum(a.lo, b.lo);
  const DoubleDouble partial = TwoSum(sum.hi, sum.lo + tail.hi);
  return TwoSum(partial.hi, partial.lo + tail.lo);
}

inline DoubleDouble operator*(DoubleDouble a, DoubleDouble b) {
  const DoubleDouble product = TwoProduct(a.hi, b.hi);
  return TwoSum(product.hi, product.lo + (a.hi * b.lo + a.lo * b.hi));
}

inline DoubleDouble operator/(DoubleDouble a, DoubleDouble b) {
  const double quotient = a.hi / b.hi;
  const DoubleDouble back = TwoProduct(quotient, b.hi);
  const double rest = ((a.hi - back.hi) - back.lo) + (a.lo - quotient * b.lo);
  return TwoSum(quotient, rest / b.hi);
}

// The float nearest to hi + lo. Through the double rounded to odd, whose
// conversion gives what the exact sum would give (Boldo and Melquiond, IEEE
// Transactions on Computers 57(4), 2008, theorem 2).
inline float RoundToFloat(DoubleDouble value) {
  const DoubleDouble sum = TwoSum(value.hi, value.lo);
  uint64_t bits = std::bit_cast<uint64_t>(sum.hi);
  const bool inexact = sum.lo < 0.0 || sum.lo > 0.0;  // False for NaN.
  if (inexact && (bits & 1) == 0) {
    bits += std::signbit(sum.lo) == std::signbit(sum.hi) ? 1 : ~uint64_t{0};
  }
  return static_cast<float>(std::bit_cast<double>(bits));
}

}  // namespace moe::kernels

#endif  // MOE_KERNELS_MATH_DOUBLE_DOUBLE_H_
