#include "moe/kernels/sums/fixed_point.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>

#include "gtest/gtest.h"
#include "moe/base/philox.h"
#include "moe/base/testing/uniform_double.h"
#include "moe/kernels/sums/wide_integer.h"

namespace moe::kernels {
namespace {

using ::moe::base::testing::UniformDouble;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr Int128 kLargest = static_cast<Int128>(~Uint128{0} >> 1);

// std::nearbyint rounds ties to even; from 2^52 on, a double is an integer.
TEST(ToFixedPointTest, RoundsAsNearbyint) {
  base::RandomStream stream(1, "fixed point");
  for (int i = 0; i < 300000; ++i) {
    const int bits = static_cast<int>(stream.UniformInt(128));
    const int exponent = static_cast<int>(stream.UniformInt(200)) - 70 - bits;
    const double value =
        std::ldexp(2.0 * UniformDouble(stream) - 1.0, exponent);
    const double scaled = std::nearbyint(std::ldexp(value, bits));
    Int128 got = 42;
    const bool fits = std::fabs(scaled) < 0x1p127;
    ASSERT_EQ(ToFixedPoint(value, bits, got), fits) << value << " " << bits;
    ASSERT_TRUE(got == (fits ? static_cast<Int128>(scaled) : Int128{42}))
        << value << " " << bits;
  }
}

TEST(ToFixedPointTest, TiesGoToEven) {
  for (const int bits : {0, 30, 127}) {
    for (const auto& [value, want] :
         {std::pair(0.5, 0), std::pair(1.5, 2), std::pair(2.5, 2),
          std::pair(-0.5, 0), std::pair(-1.5, -2), std::pair(0.75, 1),
          std::pair(std::nextafter(0.5, 1.0), 1),
          std::pair(std::nextafter(0.5, 0.0), 0)}) {
      Int128 got;
      ASSERT_TRUE(ToFixedPoint(std::ldexp(value, -bits), bits, got));
      EXPECT_TRUE(got == want) << value;
    }
  }
}

TEST(ToFixedPointTest, ZerosAndSubnormals) {
  for (const double value :
       {0.0, -0.0, 0x1p-1074, -0x1p-1074, 0x1p-1022, -0x1.8p-1030}) {
    Int128 got = 42;
    ASSERT_TRUE(ToFixedPoint(value, 127, got));
    EXPECT_TRUE(got == 0) << value;
  }
}

TEST(ToFixedPointTest, TheRangeIsOpenAtBothEnds) {
  for (const int bits : {0, 64, 80, 127}) {
    const double limit = std::ldexp(1.0, 127 - bits);
    const double largest = std::nextafter(limit, 0.0);
    Int128 got = 0;
    EXPECT_FALSE(ToFixedPoint(limit, bits, got));
    EXPECT_FALSE(ToFixedPoint(-limit, bits, got));
    EXPECT_TRUE(ToFixedPoint(largest, bits, got));
    EXPECT_TRUE(got == kLargest - ((Int128{1} << 74) - 1));
    EXPECT_TRUE(ToFixedPoint(-largest, bits, got));
    EXPECT_TRUE(got == -kLargest + ((Int128{1} << 74) - 1));
  }
}

TEST(ToFixedPointTest, RefusesWhatIsNotFinite) {
  for (const double value :
       {kInfinity, -kInfinity, std::numeric_limits<double>::quiet_NaN(),
        -std::numeric_limits<double>::quiet_NaN(),
        std::bit_cast<double>(uint64_t{0x7ff0000000000001}),
        std::numeric_limits<double>::max()}) {
    for (const int bits : {0, 127}) {
      Int128 got = 42;
      EXPECT_FALSE(ToFixedPoint(value, bits, got));
      EXPECT_TRUE(got == 42);
    }
  }
}

TEST(AddFixedPointTest, RefusesToOverflow) {
  Int128 sum = kLargest - 1;
  EXPECT_TRUE(AddFixedPoint(1, sum));
  EXPECT_FALSE(AddFixedPoint(1, sum));
  EXPECT_TRUE(sum == kLargest);
  sum = -kLargest;
  EXPECT_TRUE(AddFixedPoint(-1, sum));
  EXPECT_FALSE(AddFixedPoint(-1, sum));
  EXPECT_TRUE(sum == -kLargest - 1);
}

TEST(FixedPointToDoubleTest, RoundsAsTheCompiler) {
  base::RandomStream stream(1, "back");
  for (int i = 0; i < 100000; ++i) {
    const Uint128 high = stream.NextUint64();
    const Int128 value =
        static_cast<Int128>(high << 64 | stream.NextUint64()) >>
        stream.UniformInt(128);
    const int bits = static_cast<int>(stream.UniformInt(128));
    EXPECT_EQ(FixedPointToDouble(value, bits),
              std::ldexp(static_cast<double>(value), -bits));
  }
  EXPECT_EQ(FixedPointToDouble(-kLargest - 1, 127), -1.0);
  EXPECT_EQ(FixedPointToDouble(0, 64), 0.0);
}

TEST(FixedPointToDoubleTest, UndoesToFixedPoint) {
  base::RandomStream stream(1, "round trip");
  for (int i = 0; i < 10000; ++i) {
    const double value = 2.0 * UniformDouble(stream) - 1.0;
    Int128 fixed;
    ASSERT_TRUE(ToFixedPoint(value, 110, fixed));
    EXPECT_EQ(FixedPointToDouble(fixed, 110), value);
  }
}

}  // namespace
}  // namespace moe::kernels
