// exp, log, sin, cos and pow of single floats, for tables and for what is done
// once a token. Rows of exponentials go through the kernels, which give the
// same bits.
//
// The first four are correctly rounded: the float nearest to the exact value,
// ties to even. They are evaluated in pairs of doubles (about 100 bits) by the
// series of the textbook, so that no libm, compiler or processor has a say.
// float_math_exhaustive_test holds every float of the range against another
// implementation.

#ifndef MOE_KERNELS_MATH_FLOAT_MATH_H_
#define MOE_KERNELS_MATH_FLOAT_MATH_H_

namespace moe::kernels {

// The largest argument of Sin and Cos: enough for RoPE at a million positions.
inline constexpr float kMaxAngle = 0x1p20f;

// e^x. Overflows to infinity, underflows through the subnormal floats to 0. NaN
// for NaN.
float Exp(float x);

// The natural logarithm. -infinity for 0 of either sign, NaN below and for NaN,
// infinity for infinity.
float Log(float x);

// Sine and cosine of x radians, |x| <= kMaxAngle; NaN beyond and for NaN. Sin
// keeps the sign of zero.
float Sin(float x);
float Cos(float x);

// base^exponent for a finite base > 0, within 2^-40 of a unit in the last place
// of correct rounding, which is to say correctly rounded in all but a few cases
// of 2^40. NaN for other bases. (torch computes the same within 1 unit.)
float Pow(float base, float exponent);

}  // namespace moe::kernels

#endif  // MOE_KERNELS_MATH_FLOAT_MATH_H_
