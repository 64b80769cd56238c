#include "moe/kernels/sums/wide_integer.h"

#include <cstdint>

#include "gtest/gtest.h"
#include "moe/base/philox.h"

namespace moe::kernels {
namespace {

constexpr Uint128 kMax = ~Uint128{0};

Uint128 Power(int exponent) { return Uint128{1} << exponent; }

Uint128 RandomUint128(base::RandomStream& stream) {
  const Uint128 high = stream.NextUint64();
  const Uint128 value = high << 64 | stream.NextUint64();
  return value >> stream.UniformInt(128);  // Has any length.
}

TEST(WideIntegerTest, MagnitudeOfTheLeast) {
  const Int128 least = static_cast<Int128>(Power(127));
  EXPECT_TRUE(Magnitude(least) == Power(127));
  EXPECT_TRUE(Magnitude(-5) == 5);
  EXPECT_TRUE(Magnitude(5) == 5);
}

TEST(WideIntegerTest, MultipliesTheLargest) {
  // (2^128 - 1)^2 = 2^256 - 2^129 + 1.
  const Uint256 want = {{1, 0, ~uint64_t{1}, ~uint64_t{0}}};
  EXPECT_EQ(Multiply(kMax, kMax), want);
}

TEST(WideIntegerTest, MultipliesAsTheCompilerWhereItCan) {
  base::RandomStream stream(1, "multiply");
  for (int i = 0; i < 10000; ++i) {
    const uint64_t a = stream.NextUint64();
    const uint64_t b = stream.NextUint64();
    EXPECT_EQ(Multiply(a, b), Uint256::Of(Uint128{a} * b));
  }
}

TEST(WideIntegerTest, MultiplicationDistributes) {
  base::RandomStream stream(1, "distribute");
  for (int i = 0; i < 10000; ++i) {
    const Uint128 a = RandomUint128(stream) >> 1;
    const Uint128 b = RandomUint128(stream) >> 1;
    const Uint128 c = RandomUint128(stream);
    EXPECT_EQ(Subtract(Multiply(a + b, c), Multiply(a, c)), Multiply(b, c));
    EXPECT_EQ(Multiply(a, c), Multiply(c, a));
  }
}

TEST(WideIntegerTest, SubtractsWithBorrows) {
  const Uint256 a = {{0, 0, 0, 1}};
  const Uint256 want = {{~uint64_t{0}, ~uint64_t{0}, ~uint64_t{0}, 0}};
  EXPECT_EQ(Subtract(a, Uint256::Of(1)), want);
  EXPECT_EQ(Subtract(a, a), Uint256());
  EXPECT_DEATH(Subtract(want, a), "MOE_CHECK");
}

TEST(WideIntegerTest, Compares) {
  const Uint256 small = {{9, 9, 9, 0}};
  const Uint256 large = {{0, 0, 0, 1}};
  EXPECT_LT(Compare(small, large), 0);
  EXPECT_GT(Compare(large, small), 0);
  EXPECT_EQ(Compare(large, large), 0);
}

TEST(WideIntegerTest, ShiftsAndCountsBits) {
  EXPECT_EQ(ShiftLeftBy64(Uint256::Of(kMax)),
            (Uint256{{0, ~uint64_t{0}, ~uint64_t{0}, 0}}));
  EXPECT_DEATH(ShiftLeftBy64(Uint256{{0, 0, 0, 1}}), "MOE_CHECK");
  EXPECT_EQ(BitLength(Uint256()), 0);
  EXPECT_EQ(BitLength(Uint256::Of(1)), 1);
  EXPECT_EQ(BitLength(Uint256::Of(kMax)), 128);
  EXPECT_EQ(BitLength(Uint256{{0, 0, 0, 5}}), 195);
}

TEST(IntegerToDoubleTest, RoundsAsTheCompiler) {
  base::RandomStream stream(1, "to double");
  for (int i = 0; i < 100000; ++i) {
    const Uint128 value = RandomUint128(stream);
    EXPECT_EQ(IntegerToDouble(value, 0), static_cast<double>(value));
  }
  EXPECT_EQ(IntegerToDouble(0, 3), 0.0);
  EXPECT_EQ(IntegerToDouble(kMax, -512), 0x1p-384);
}

TEST(IntegerToDoubleTest, TiesGoToEven) {
  for (const int shift : {0, 1, 11, 60}) {
    const Uint128 tie = (Power(53) + 1) << shift;
    EXPECT_EQ(IntegerToDouble(tie, -shift), 0x1p53);
    EXPECT_EQ(IntegerToDouble(tie + Power(shift), -shift), 0x1p53 + 2.0);
    // 2^53 + 3 lies between 2^53 + 2 and 2^53 + 4.
    EXPECT_EQ(IntegerToDouble((Power(53) + 3) << shift, -shift), 0x1p53 + 4.0);
    if (shift > 0) {
      EXPECT_EQ(IntegerToDouble(tie + 1, -shift), 0x1p53 + 2.0);
      EXPECT_EQ(IntegerToDouble(tie - 1, -shift), 0x1p53);
    }
  }
}

// The processor's division rounds correctly; numerator and denominator times
// the same factor have the same quotient.
TEST(QuotientToDoubleTest, RoundsAsTheProcessor) {
  base::RandomStream stream(1, "quotient");
  for (int i = 0; i < 100000; ++i) {
    const uint64_t a = stream.NextUint64() >> (11 + stream.UniformInt(53));
    const uint64_t b =
        (stream.NextUint64() >> (11 + stream.UniformInt(53))) | 1;
    const Uint128 factor =
        i % 2 == 0 ? 1 : RandomUint128(stream) % Power(74) + 1;
    const double want = static_cast<double>(a) / static_cast<double>(b);
    EXPECT_EQ(QuotientToDouble(Multiply(a, factor), b * factor, 0), want)
        << a << " / " << b;
  }
}

TEST(QuotientToDoubleTest, TiesGoToEvenAndTheLastBitBreaksThem) {
  for (const uint64_t divisor :
       {uint64_t{1}, uint64_t{3}, uint64_t{1} << 40, ~uint64_t{0}}) {
    const Uint128 tie = (Power(53) + 1) * divisor;
    EXPECT_EQ(QuotientToDouble(Uint256::Of(tie), divisor, 0), 0x1p53);
    EXPECT_EQ(QuotientToDouble(Uint256::Of(tie - 1), divisor, 0), 0x1p53);
    EXPECT_EQ(QuotientToDouble(Uint256::Of(tie + 1), divisor, 0), 0x1p53 + 2.0);
  }
  // (2^53 + 1) 2^200 + 1 over 2^126: the bit that decides is the lowest.
  Uint256 numerator = Multiply((Power(53) + 1) << 74, Power(126));
  EXPECT_EQ(QuotientToDouble(numerator, Power(126), 0), 0x1p127);
  numerator.limbs[0] |= 1;
  EXPECT_EQ(QuotientToDouble(numerator, Power(126), 0), 0x1p127 + 0x1p75);
}

TEST(QuotientToDoubleTest, KnownValues) {
  EXPECT_EQ(QuotientToDouble(Uint256(), 7, 5), 0.0);
  EXPECT_EQ(QuotientToDouble(Uint256::Of(1), 3, 0), 1.0 / 3.0);
  EXPECT_EQ(QuotientToDouble(Uint256::Of(1), Power(126), -136), 0x1p-262);
  const uint64_t ones = ~uint64_t{0};
  EXPECT_EQ(QuotientToDouble(Uint256{{ones, ones, ones, ones}}, 1, 0), 0x1p256);
  EXPECT_EQ(QuotientToDouble(Uint256::Of(6), 4, 10), 1536.0);
  EXPECT_DEATH(QuotientToDouble(Uint256::Of(1), 0, 0), "MOE_CHECK");
}

}  // namespace
}  // namespace moe::kernels
