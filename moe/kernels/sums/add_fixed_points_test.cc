#include "moe/kernels/sums/add_fixed_points.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "moe/base/philox.h"
#include "moe/base/testing/uniform_double.h"
#include "moe/kernels/sums/fixed_point.h"
#include "moe/kernels/sums/wide_integer.h"
#include "moe/kernels/testing/kernel_test.h"

namespace moe::kernels {
namespace {

using ::moe::base::testing::UniformDouble;
using ::moe::kernels::testing::KernelMachineName;
using ::moe::kernels::testing::KernelMachines;
using ::testing::ValuesIn;

using AddFixedPointsTest = ::moe::kernels::testing::KernelTest;

// By the definition.
int64_t Want(const std::vector<double>& values, int fraction_bits,
             std::vector<Int128>& sums) {
  for (size_t i = 0; i < values.size(); ++i) {
    Int128 addend;
    if (!ToFixedPoint(values[i], fraction_bits, addend) ||
        !AddFixedPoint(addend, sums[i])) {
      return static_cast<int64_t>(i);
    }
  }
  return static_cast<int64_t>(values.size());
}

void ExpectTheDefinition(const std::vector<double>& values, int fraction_bits,
                         const std::vector<Int128>& before) {
  std::vector<Int128> want = before, got = before;
  const int64_t want_count = Want(values, fraction_bits, want);
  EXPECT_EQ(AddFixedPoints(values, fraction_bits, absl::MakeSpan(got)),
            want_count);
  EXPECT_TRUE(got == want);
}

Int128 RandomInt128(base::RandomStream& stream) {
  const auto high = static_cast<Uint128>(stream.NextUint64()) << 64;
  // With any length, so that some sums are near their range's ends.
  return static_cast<Int128>(high | stream.NextUint64()) >>
         stream.UniformInt(128);
}

// Exponents about the unit, signs, zeros, and every length's tail.
TEST_P(AddFixedPointsTest, AreTheDefinition) {
  base::RandomStream stream(/*seed=*/1, "fixed points");
  for (int round = 0; round < 400; ++round) {
    const auto fraction_bits = static_cast<int>(stream.UniformInt(128));
    const auto size = static_cast<size_t>(stream.UniformInt(40));
    // Shifts of 2^52 mantissas by 0 to 73, which vectors take; every fourth
    // round a few beyond, which they leave to the slow way.
    const bool is_wide = round % 4 == 0;
    std::vector<double> values(size);
    std::vector<Int128> sums(size);
    for (size_t i = 0; i < size; ++i) {
      const int shift = is_wide ? static_cast<int>(stream.UniformInt(90)) - 14
                                : static_cast<int>(stream.UniformInt(74));
      const int exponent = shift + 52 - fraction_bits;
      values[i] = std::ldexp(UniformDouble(stream) + 1.0, exponent);
      if (stream.UniformInt(2) == 0) values[i] = -values[i];
      if (stream.UniformInt(16) == 0) values[i] = 0.0;
      if (stream.UniformInt(16) == 0) values[i] = -0.0;
      sums[i] = RandomInt128(stream);
    }
    ExpectTheDefinition(values, fraction_bits, sums);
  }
}

TEST_P(AddFixedPointsTest, CarriesAndBorrows) {
  constexpr Int128 kWord = Int128{1} << 64;
  // Two vectors of AVX-512; then what only the slow way takes.
  const std::vector<double> values = {
      1.0,  -1.0, 2.0,  -2.0, 0.5,  -0.5,  -0.0,   0.0,      0x1p20,
      -3.0, 7.5,  -7.5, 1e6,  -1e6, 0x1p9, -0x1p9, -0x1p-64, 1.0};
  for (const Int128 sum : {kWord - 1, kWord, -kWord, -kWord - 1, Int128{0},
                           Int128{1}, Int128{-1}}) {
    for (const int fraction_bits : {53, 63, 64, 72}) {
      ExpectTheDefinition(values, fraction_bits,
                          std::vector<Int128>(values.size(), sum));
    }
  }
}

// A whole vector for each way to shift.
TEST_P(AddFixedPointsTest, EveryShift) {
  for (int shift = -3; shift <= 76; ++shift) {
    const double value = std::ldexp(0x1.fffffffffffffp0, shift + 52 - 64);
    for (const double sign : {1.0, -1.0}) {
      ExpectTheDefinition(std::vector<double>(16, sign * value), 64,
                          std::vector<Int128>(16, Int128{-7} << 60));
    }
  }
}

TEST_P(AddFixedPointsTest, StopsAtWhatCannotBeAdded) {
  const Int128 largest = static_cast<Int128>(~Uint128{0} >> 1);
  for (size_t at = 0; at < 19; ++at) {
    std::vector<double> values(19, 3.0);
    std::vector<Int128> sums(19, 5);
    for (const double bad :
         {std::numeric_limits<double>::quiet_NaN(),
          -std::numeric_limits<double>::infinity(), 0x1p63}) {
      values[at] = bad;
      ExpectTheDefinition(values, 64, sums);
    }
    values[at] = 1.0;
    sums[at] = largest;
    ExpectTheDefinition(values, 64, sums);
    values[at] = -1.0;
    sums[at] = -largest;
    ExpectTheDefinition(values, 64, sums);
  }
}

INSTANTIATE_TEST_SUITE_P(All, AddFixedPointsTest, ValuesIn(KernelMachines()),
                         KernelMachineName);

}  // namespace
}  // namespace moe::kernels
