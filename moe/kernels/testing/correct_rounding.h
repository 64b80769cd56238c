// Whether a float is the one nearest to the exact value of a function, by an
// implementation that nobody here wrote: the C library's, in double and, where
// that cannot tell, in long double (64 bits of significand or more).

#ifndef MOE_KERNELS_TESTING_CORRECT_ROUNDING_H_
#define MOE_KERNELS_TESTING_CORRECT_ROUNDING_H_

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace moe::kernels::testing {

struct Oracle {
  double (*wide)(double);
  long double (*wider)(long double);
};

enum class Verdict { kRight, kWrong, kUndecided };

// The C library's double is within 2 units in the last place; long double's
// errors are below 2^-60 of the value. A value nearer than that to halfway
// between two floats stays undecided.
inline Verdict CheckRounding(float x, float got, const Oracle& oracle) {
  const double value = oracle.wide(x);
  if (std::isnan(value)) {
    return std::isnan(got) ? Verdict::kRight : Verdict::kWrong;
  }
  constexpr double kUp = std::numeric_limits<double>::infinity();
  const double low = std::nextafter(std::nextafter(value, -kUp), -kUp);
  const double high = std::nextafter(std::nextafter(value, kUp), kUp);
  auto want = static_cast<float>(value);
  if (static_cast<float>(low) != static_cast<float>(high)) {
    const long double wider = oracle.wider(x);
    const long double error = std::fabs(wider) * 0x1p-60L;
    want = static_cast<float>(wider - error);
    if (want != static_cast<float>(wider + error)) return Verdict::kUndecided;
  }
  return std::bit_cast<uint32_t>(got) == std::bit_cast<uint32_t>(want)
             ? Verdict::kRight
             : Verdict::kWrong;
}

inline Oracle ExpOracle() {
  return {[](double x) { return std::exp(x); },
          [](long double x) { return std::exp(x); }};
}
inline Oracle LogOracle() {
  return {[](double x) { return std::log(x); },
          [](long double x) { return std::log(x); }};
}
inline Oracle SinOracle() {
  return {[](double x) { return std::sin(x); },
          [](long double x) { return std::sin(x); }};
}
inline Oracle CosOracle() {
  return {[](double x) { return std::cos(x); },
          [](long double x) { return std::cos(x); }};
}

}  // namespace moe::kernels::testing

#endif  // MOE_KERNELS_TESTING_CORRECT_ROUNDING_H_
