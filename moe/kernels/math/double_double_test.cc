#include "moe/kernels/math/double_double.h"

#include <cmath>

#include "gtest/gtest.h"
#include "moe/base/philox.h"
#include "moe/base/testing/uniform_double.h"

namespace moe::kernels {
namespace {

using ::moe::base::testing::UniformDouble;

// Long double has 64 bits of significand or more, so it sees what double lost.
TEST(DoubleDoubleTest, AgreesWithLongDouble) {
  base::RandomStream stream(1, "double_double_test");
  for (int i = 0; i < 100000; ++i) {
    const double a = UniformDouble(stream) - 0.5;
    const double b = UniformDouble(stream) + 0.1;
    const auto value = [](DoubleDouble x) {
      return static_cast<long double>(x.hi) + x.lo;
    };
    const DoubleDouble x = TwoSum(a, b * 0x1p-40);
    const DoubleDouble y = TwoSum(b, a * 0x1p-45);
    const auto near = [](long double got, long double want) {
      return std::fabs(got - want) <= std::fabs(want) * 0x1p-60L;
    };
    EXPECT_EQ(value(TwoSum(a, b)), static_cast<long double>(a) + b);
    EXPECT_TRUE(near(value(x * y), value(x) * value(y)));
    EXPECT_TRUE(near(value(x / y), value(x) / value(y)));
    // Digits may cancel, in long double's rounding of the operands too.
    EXPECT_LE(std::fabs(value(x + y) - (value(x) + value(y))), 0x1p-61L);
  }
}

TEST(DoubleDoubleTest, RoundsOnceToFloat) {
  // Halfway between 1 and the next float, and a hair to either side, which the
  // conversion of the high part alone would not see.
  EXPECT_EQ(RoundToFloat({1.0 + 0x1p-24, 0.0}), 1.0f);
  EXPECT_EQ(RoundToFloat({1.0 + 0x1p-24, 0x1p-80}), 1.0f + 0x1p-23f);
  EXPECT_EQ(RoundToFloat({1.0 + 0x1p-24, -0x1p-80}), 1.0f);
  EXPECT_EQ(RoundToFloat({1.0 + 0x3p-24, 0.0}), 1.0f + 0x1p-22f);
  EXPECT_EQ(RoundToFloat({1.0 + 0x3p-24, -0x1p-80}), 1.0f + 0x1p-23f);
  EXPECT_EQ(RoundToFloat({-1.0 - 0x1p-24, -0x1p-80}), -1.0f - 0x1p-23f);
  EXPECT_EQ(RoundToFloat({0.0, 0.0}), 0.0f);
  // Subnormal: half the smallest float is a tie, to even, that is to 0.
  EXPECT_EQ(RoundToFloat({0x1p-150, 0.0}), 0.0f);
  EXPECT_EQ(RoundToFloat({0x1p-150, 0x1p-210}), 0x1p-149f);
}

}  // namespace
}  // namespace moe::kernels
