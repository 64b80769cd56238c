#include "moe/kernels/gemm/half_types.h"

#include <bit>
#include <cmath>
#include <cstdint>

#include "gtest/gtest.h"

namespace moe::kernels {
namespace {

// By the definition of the format: sign, exponent, significand.
float Define(uint16_t bits, int exponent_bits, int significand_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = (bits >> significand_bits) & ((1 << exponent_bits) - 1);
  const int significand = bits & ((1 << significand_bits) - 1);
  double value = 0.0;
  if (exponent == (1 << exponent_bits) - 1) {
    value = significand == 0 ? INFINITY : NAN;
  } else if (exponent == 0) {
    value = std::ldexp(significand, 1 - bias - significand_bits);
  } else {
    value = std::ldexp(significand + (1 << significand_bits),
                       exponent - bias - significand_bits);
  }
  return static_cast<float>((bits >> 15) != 0 ? -value : value);
}

TEST(HalfTypesTest, EveryNumber) {
  for (uint32_t i = 0; i <= 0xffff; ++i) {
    const auto bits = static_cast<uint16_t>(i);
    const float half = Define(bits, 5, 10);
    const float brain = Define(bits, 8, 7);
    if (std::isnan(half)) {
      EXPECT_TRUE(std::isnan(Float16ToFloat(bits))) << i;
    } else {
      EXPECT_EQ(std::bit_cast<uint32_t>(Float16ToFloat(bits)),
                std::bit_cast<uint32_t>(half))
          << i;
    }
    if (std::isnan(brain)) {
      EXPECT_TRUE(std::isnan(BFloat16ToFloat(bits))) << i;
    } else {
      EXPECT_EQ(std::bit_cast<uint32_t>(BFloat16ToFloat(bits)),
                std::bit_cast<uint32_t>(brain))
          << i;
    }
  }
}

}  // namespace
}  // namespace moe::kernels
