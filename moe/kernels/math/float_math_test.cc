#include "moe/kernels/math/float_math.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

#include "gtest/gtest.h"
#include "moe/kernels/testing/correct_rounding.h"

namespace moe::kernels {
namespace {

using ::moe::kernels::testing::CheckRounding;
using ::moe::kernels::testing::CosOracle;
using ::moe::kernels::testing::ExpOracle;
using ::moe::kernels::testing::LogOracle;
using ::moe::kernels::testing::Oracle;
using ::moe::kernels::testing::SinOracle;
using ::moe::kernels::testing::Verdict;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Every 4099th float of [+0, last] and of [-0, -last], a prime so that all low
// bits come up. The exhaustive test takes them all.
void Sample(float (*function)(float), const Oracle& oracle, float last,
            bool negative_too) {
  constexpr uint32_t kStep = 4099;
  for (uint32_t bits = 0; bits <= std::bit_cast<uint32_t>(last);
       bits += kStep) {
    for (const uint32_t sign : {0u, 0x80000000u}) {
      if (sign != 0 && !negative_too) continue;
      const float x = std::bit_cast<float>(bits | sign);
      ASSERT_EQ(CheckRounding(x, function(x), oracle), Verdict::kRight)
          << x << " gave " << function(x);
    }
  }
}

TEST(FloatMathTest, AreCorrectlyRounded) {
  Sample(&Exp, ExpOracle(), 200.0f, true);
  Sample(&Log, LogOracle(), std::numeric_limits<float>::max(), false);
  Sample(&Sin, SinOracle(), kMaxAngle, true);
  Sample(&Cos, CosOracle(), kMaxAngle, true);
}

TEST(FloatMathTest, SpecialValues) {
  EXPECT_EQ(Exp(0.0f), 1.0f);
  EXPECT_EQ(Exp(kInfinity), kInfinity);
  EXPECT_EQ(Exp(-kInfinity), 0.0f);
  EXPECT_FALSE(std::signbit(Exp(-kInfinity)));
  EXPECT_TRUE(std::isnan(Exp(NAN)));
  EXPECT_EQ(Log(1.0f), 0.0f);
  EXPECT_EQ(Log(0.0f), -kInfinity);
  EXPECT_EQ(Log(-0.0f), -kInfinity);
  EXPECT_EQ(Log(kInfinity), kInfinity);
  EXPECT_TRUE(std::isnan(Log(-1.0f)));
  EXPECT_TRUE(std::isnan(Log(NAN)));
  EXPECT_TRUE(std::signbit(Sin(-0.0f)));
  EXPECT_FALSE(std::signbit(Sin(0.0f)));
  EXPECT_EQ(Cos(0.0f), 1.0f);
  for (const float x : {std::nextafter(kMaxAngle, kInfinity), kInfinity, NAN}) {
    EXPECT_TRUE(std::isnan(Sin(x)));
    EXPECT_TRUE(std::isnan(Cos(-x)));
  }
}

TEST(FloatMathTest, PowIsTheNearestFloat) {
  for (const float base : {10000.0f, 500000.0f, 0.5f, 3.7f, 1.0f, 1e-20f}) {
    for (int i = -64; i <= 64; ++i) {
      const float exponent = static_cast<float>(i) / 48.0f;
      const long double exact =
          std::pow(static_cast<long double>(base), exponent);
      EXPECT_EQ(Pow(base, exponent), static_cast<float>(exact))
          << base << "^" << exponent;
    }
  }
  EXPECT_EQ(Pow(2.0f, 10.0f), 1024.0f);
  EXPECT_EQ(Pow(10.0f, 60.0f), kInfinity);
  EXPECT_EQ(Pow(10.0f, -60.0f), 0.0f);
  EXPECT_TRUE(std::isnan(Pow(-1.0f, 2.0f)));
  EXPECT_TRUE(std::isnan(Pow(0.0f, 2.0f)));
  EXPECT_TRUE(std::isnan(Pow(kInfinity, 1.0f)));
  EXPECT_TRUE(std::isnan(Pow(2.0f, NAN)));
}

}  // namespace
}  // namespace moe::kernels
