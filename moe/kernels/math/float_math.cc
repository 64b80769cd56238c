#include "moe/kernels/math/float_math.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "moe/kernels/math/double_double.h"

namespace moe::kernels {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// ln 2 = kLn2High + kLn2Low to 2^-98; the first has 42 bits, so that products
// with an exponent are exact.
constexpr double kLn2High = 0x1.62e42fefa3800p-1;
constexpr double kLn2Low = 0x1.ef35793c76730p-45;

// pi / 2 in four parts; the first two have 30 bits, so that products with a
// number of quarter turns up to 2^20 are exact.
constexpr double kHalfPi1 = 0x1.921fb54000000p+0;
constexpr double kHalfPi2 = 0x1.10b4611800000p-30;
constexpr double kHalfPi3 = 0x1.313198a2e0370p-61;
constexpr double kHalfPi4 = 0x1.cd129024e088ap-115;

// 2^k for k in [-1022, 1023].
double PowerOfTwo(int k) {
  return std::bit_cast<double>(static_cast<uint64_t>(k + 1023) << 52);
}

// The nearest integer, ties to even, of |x| < 2^51.
double Nearest(double x) { return (x + 0x1.8p52) - 0x1.8p52; }

constexpr DoubleDouble kOne = {1.0, 0.0};
constexpr DoubleDouble kThird = {0x1.5555555555555p-2, 0x1.5555555555555p-56};
constexpr DoubleDouble kSixth = {0x1.5555555555555p-3, 0x1.5555555555555p-57};
constexpr DoubleDouble kOne24th = {0x1.5555555555555p-5, 0x1.5555555555555p-59};

// A product with a power of two, exactly.
DoubleDouble Scale(DoubleDouble value, double power) {
  return {value.hi * power, value.lo * power};
}

// The coefficients 1 / d(first), 1 / d(first + 1), ... of a Taylor series'
// tail. The first is so far down the series that the roundings of double do not
// matter.
template <int kNumTerms, typename Divisor>
constexpr std::array<double, kNumTerms> Reciprocals(int first, Divisor d) {
  std::array<double, kNumTerms> result = {};
  for (int i = 0; i < kNumTerms; ++i) result[i] = 1.0 / d(first + i);
  return result;
}

constexpr double Factorial(int n) {
  return n == 0 ? 1.0 : n * Factorial(n - 1);
}

// coefficients[0] + x (coefficients[1] + x (...)).
template <size_t kNumTerms>
double Horner(const std::array<double, kNumTerms>& coefficients, double x) {
  double sum = coefficients[kNumTerms - 1];
  for (size_t i = kNumTerms - 1; i-- > 0;) sum = coefficients[i] + x * sum;
  return sum;
}

// e^x for x in [-110, 90]: x = k ln 2 + r, and the Taylor series of e^r: the
// terms to r^3 / 6 in pairs, then 15 in double, which leave (ln 2 / 2)^19 / 19!
// = 2e-26.
DoubleDouble ExpPair(DoubleDouble x) {
  const double k = Nearest(x.hi * 0x1.71547652b82fep+0);
  const DoubleDouble r =
      x + DoubleDouble{-k * kLn2High, 0.0} + TwoProduct(-k, kLn2Low);
  constexpr std::array<double, 15> kTail =
      Reciprocals<15>(4, [](int i) { return Factorial(i); });
  const double tail = Horner(kTail, r.hi);
  const DoubleDouble half = {0.5, 0.0};
  const DoubleDouble series =
      kOne +
      r * (kOne + r * (half + r * (kSixth + DoubleDouble{r.hi * tail, 0.0})));
  return Scale(series, PowerOfTwo(static_cast<int>(k)));
}

// ln x for a finite x > 0: x = 2^e m with m in [sqrt(1/2), sqrt(2)), and
// ln m = 2 atanh(s) = 2 s (1 + s^2/3 + s^4/5 + ...) with s = (m - 1) / (m + 1):
// two terms in pairs, then 14 in double, which leave (0.172)^32 / 33 = 1e-26.
DoubleDouble LogPair(float x) {
  constexpr uint64_t kSqrtHalfBits = 0x3fe6a09e667f3bcd;
  const uint64_t bits = std::bit_cast<uint64_t>(static_cast<double>(x));
  const int64_t e = static_cast<int64_t>(bits - kSqrtHalfBits) >> 52;
  const double m =
      std::bit_cast<double>(bits - (static_cast<uint64_t>(e) << 52));
  const DoubleDouble s =
      DoubleDouble{m - 1.0, 0.0} / DoubleDouble{m + 1.0, 0.0};
  const DoubleDouble s2 = s * s;
  constexpr std::array<double, 14> kTail =
      Reciprocals<14>(2, [](int i) { return 2.0 * i + 1.0; });
  const double tail = Horner(kTail, s2.hi);
  const DoubleDouble log_m =
      s * (kOne + s2 * (kThird + DoubleDouble{s2.hi * tail, 0.0}));
  const auto exponent = static_cast<double>(e);
  return DoubleDouble{exponent * kLn2High, 0.0} +
         (TwoProduct(exponent, kLn2Low) + Scale(log_m, 2.0));
}

struct ReducedAngle {
  DoubleDouble r;  // In [-pi/4, pi/4], to 2^-110 absolute.
  int quarter;     // x = r + quarter * pi/2 modulo 2 pi.
};

ReducedAngle Reduce(float x) {
  const double k = Nearest(x * 0x1.45f306dc9c883p-1);
  const double r1 = x - k * kHalfPi1;
  const DoubleDouble r2 = TwoSum(r1, -k * kHalfPi2);
  const DoubleDouble r3 = r2 + TwoProduct(-k, kHalfPi3);
  return {r3 + DoubleDouble{-k * kHalfPi4, 0.0},
          static_cast<int>(static_cast<int64_t>(k) & 3)};
}

// r - r^3/6 in pairs, then 10 terms in double: they leave (pi/4)^25 / 25! =
// 2e-28.
DoubleDouble SinPair(DoubleDouble r) {
  const DoubleDouble x = Scale(r * r, -1.0);
  constexpr std::array<double, 10> kTail =
      Reciprocals<10>(2, [](int i) { return Factorial(2 * i + 1); });
  const double tail = Horner(kTail, x.hi);
  return r * (kOne + x * (kSixth + DoubleDouble{x.hi * tail, 0.0}));
}

// 1 - r^2/2 + r^4/24 in pairs, then 10 terms: they leave (pi/4)^26 / 26! =
// 5e-30.
DoubleDouble CosPair(DoubleDouble r) {
  const DoubleDouble x = Scale(r * r, -1.0);
  constexpr std::array<double, 10> kTail =
      Reciprocals<10>(3, [](int i) { return Factorial(2 * i); });
  const double tail = Horner(kTail, x.hi);
  const DoubleDouble half = {0.5, 0.0};
  return kOne + x * (half + x * (kOne24th + DoubleDouble{x.hi * tail, 0.0}));
}

// sin(x + quarter_turns pi/2) for |x| <= kMaxAngle.
float SinShifted(float x, int quarter_turns) {
  const ReducedAngle angle = Reduce(x);
  const int quarter = (angle.quarter + quarter_turns) & 3;
  DoubleDouble result = quarter % 2 == 0 ? SinPair(angle.r) : CosPair(angle.r);
  if (quarter >= 2) result = {-result.hi, -result.lo};
  return RoundToFloat(result);
}

}  // namespace

float Exp(float x) {
  if (std::isnan(x)) return kNan;
  if (x > 90.0f) return kInfinity;
  if (x < -110.0f) return 0.0f;
  return RoundToFloat(ExpPair({x, 0.0}));
}

float Log(float x) {
  if (x == 0.0f) return -kInfinity;
  if (!(x > 0.0f)) return kNan;
  if (x == kInfinity) return x;
  return RoundToFloat(LogPair(x));
}

float Sin(float x) {
  if (!(std::fabs(x) <= kMaxAngle)) return kNan;
  if (x == 0.0f) return x;
  return SinShifted(x, 0);
}

float Cos(float x) {
  if (!(std::fabs(x) <= kMaxAngle)) return kNan;
  return SinShifted(x, 1);
}

float Pow(float base, float exponent) {
  if (!(base > 0.0f) || base == kInfinity || std::isnan(exponent)) return kNan;
  const DoubleDouble power = LogPair(base) * DoubleDouble{exponent, 0.0};
  if (power.hi > 90.0) return kInfinity;
  if (power.hi < -110.0) return 0.0f;
  return RoundToFloat(ExpPair(power));
}

}  // namespace moe::kernels
