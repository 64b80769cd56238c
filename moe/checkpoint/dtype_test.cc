#include "moe/checkpoint/dtype.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"

namespace moe::checkpoint {
namespace {

using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Optional;

template <typename T>
std::string Bytes(const std::vector<T>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()),
                     values.size() * sizeof(T));
}

TEST(DtypeTest, NamesGoBothWays) {
  for (int i = 0; i <= static_cast<int>(Dtype::kU64); ++i) {
    const Dtype dtype = static_cast<Dtype>(i);
    EXPECT_THAT(ParseDtype(DtypeName(dtype)), IsOkAndHolds(dtype));
  }
  EXPECT_THAT(ParseDtype("F13"),
              StatusIs(absl::StatusCode::kUnimplemented,
                       AllOf(HasSubstr("F13"), HasSubstr("BF16"))));
}

TEST(DtypeTest, Sizes) {
  EXPECT_EQ(DtypeSize(Dtype::kBool), 1);
  EXPECT_EQ(DtypeSize(Dtype::kF8E4M3), 1);
  EXPECT_EQ(DtypeSize(Dtype::kBF16), 2);
  EXPECT_EQ(DtypeSize(Dtype::kF32), 4);
  EXPECT_EQ(DtypeSize(Dtype::kI64), 8);
}

TEST(F16ToFloatTest, EveryValueIsItsDefinition) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const int exponent = static_cast<int>((bits >> 10) & 31);
    const double fraction = bits & 1023;
    const double sign = bits >> 15 ? -1.0 : 1.0;
    const float got = F16ToFloat(static_cast<uint16_t>(bits));
    if (exponent == 31) {
      EXPECT_EQ(std::isnan(got), fraction != 0) << bits;
      EXPECT_TRUE(std::isnan(got) || got == sign * INFINITY) << bits;
      continue;
    }
    // IEEE 754 binary16: f * 2^-24, or (1 + f / 1024) * 2^(e - 15).
    const double want = exponent == 0
                            ? sign * std::ldexp(fraction, -24)
                            : sign * std::ldexp(1024 + fraction, exponent - 25);
    EXPECT_EQ(double{got}, want) << bits;
    EXPECT_EQ(std::signbit(got), std::signbit(sign)) << bits;
  }
}

TEST(WeightsToFloatTest, UpcastsEachTypeWithoutAlignment) {
  std::vector<float> out(3);
  const std::string bf16 =
      "x" + Bytes<uint16_t>({0x3f80, 0xc000, 0x8000});  // 1, -2, -0
  WeightsToFloat(Dtype::kBF16, absl::MakeConstSpan(bf16).subspan(1),
                 absl::MakeSpan(out));
  EXPECT_THAT(out, ElementsAre(1.0f, -2.0f, -0.0f));
  EXPECT_TRUE(std::signbit(out[2]));
  const std::string f16 = Bytes<uint16_t>({0x3c00, 0xc000, 0x0001});
  WeightsToFloat(Dtype::kF16, f16, absl::MakeSpan(out));
  EXPECT_THAT(out, ElementsAre(1.0f, -2.0f, 0x1p-24f));
  const std::string f32 = Bytes<float>({1.5f, -2.5f, 0x1p-149f});
  WeightsToFloat(Dtype::kF32, f32, absl::MakeSpan(out));
  EXPECT_THAT(out, ElementsAre(1.5f, -2.5f, 0x1p-149f));
}

struct HalfType {
  Dtype dtype;
  uint16_t infinity;
  float (*to_float)(uint16_t);
  uint16_t (*from_float)(float);
};

constexpr HalfType kHalfTypes[] = {
    {Dtype::kBF16, 0x7f80, Bf16ToFloat, FloatToBf16},
    {Dtype::kF16, 0x7c00, F16ToFloat, FloatToF16}};

// For every two neighbours a < b of the type, infinity where the next number
// would be: both, all the way to the middle, the middle, and beyond it.
TEST(FloatToHalfTest, RoundsToNearestEven) {
  for (const HalfType& type : kHalfTypes) {
    for (uint32_t a = 0; a < type.infinity; ++a) {
      const uint32_t b = a + 1;
      const float low = type.to_float(static_cast<uint16_t>(a));
      // The step below the last number is the step above it.
      const double step =
          b < type.infinity
              ? double{type.to_float(static_cast<uint16_t>(b))} - double{low}
              : double{low} -
                    double{type.to_float(static_cast<uint16_t>(a - 1))};
      const float middle = static_cast<float>(double{low} + step / 2);
      const uint32_t even = a % 2 == 0 ? a : b;
      ASSERT_EQ(type.from_float(low), a);
      ASSERT_EQ(type.from_float(std::nextafter(middle, 0.0f)), a);
      ASSERT_EQ(type.from_float(middle), even);
      ASSERT_EQ(type.from_float(std::nextafter(middle, INFINITY)), b);
      ASSERT_EQ(type.from_float(-low), 0x8000 | a);
      ASSERT_EQ(type.from_float(-middle), 0x8000 | even);
    }
    EXPECT_EQ(type.from_float(INFINITY), type.infinity);
    EXPECT_EQ(type.from_float(-INFINITY), 0x8000 | type.infinity);
    EXPECT_EQ(type.from_float(std::numeric_limits<float>::max()),
              type.infinity);
    EXPECT_EQ(type.from_float(std::numeric_limits<float>::denorm_min()), 0);
    EXPECT_TRUE(std::isnan(type.to_float(type.from_float(std::nanf("")))));
    // A NaN with nothing in the upper half of its fraction.
    EXPECT_TRUE(std::isnan(
        type.to_float(type.from_float(std::bit_cast<float>(0x7f800001u)))));
  }
}

TEST(FloatToWeightsTest, IsTheInverseOfWeightsToFloat) {
  const std::vector<float> values = {1.0f, -2.0f, -0.0f, 0.15625f};
  for (const Dtype dtype : {Dtype::kBF16, Dtype::kF16, Dtype::kF32}) {
    std::string bytes(values.size() * static_cast<size_t>(DtypeSize(dtype)),
                      'x');
    FloatToWeights(dtype, values, absl::MakeSpan(bytes));
    std::vector<float> back(values.size());
    WeightsToFloat(dtype, bytes, absl::MakeSpan(back));
    EXPECT_EQ(back, values);
    EXPECT_TRUE(std::signbit(back[2]));
  }
}

TEST(FindNonFiniteTest, FindsTheFirst) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const float nan = std::nanf("");
  std::vector<float> values(10000, 3e38f);
  EXPECT_EQ(FindNonFinite(Dtype::kF32, Bytes(values)), std::nullopt);
  values[9999] = -kInf;
  EXPECT_THAT(FindNonFinite(Dtype::kF32, Bytes(values)), Optional(9999));
  values[4097] = nan;
  EXPECT_THAT(FindNonFinite(Dtype::kF32, Bytes(values)), Optional(4097));
  EXPECT_THAT(
      FindNonFinite(Dtype::kBF16, Bytes<uint16_t>({0x7f7f, 0xff80, 0x7fc0})),
      Optional(1));
  EXPECT_THAT(FindNonFinite(Dtype::kF16, Bytes<uint16_t>({0x7bff, 0x7e00})),
              Optional(1));
  EXPECT_THAT(FindNonFinite(Dtype::kF64, Bytes<double>({1.0, double{kInf}})),
              Optional(1));
  EXPECT_EQ(FindNonFinite(Dtype::kI64, Bytes<int64_t>({-1})), std::nullopt);
  EXPECT_EQ(FindNonFinite(Dtype::kF32, ""), std::nullopt);
}

// In whole blocks and in what is left of one; every sign, exponent and
// fraction.
TEST(FindNonFiniteTest, KnowsEveryNumberOf16Bits) {
  for (const Dtype dtype : {Dtype::kBF16, Dtype::kF16}) {
    for (const size_t size : {1, 4096}) {
      std::vector<uint16_t> elements(size, 0);
      for (uint32_t bits = 0; bits < 65536; ++bits) {
        elements[size / 2] = static_cast<uint16_t>(bits);
        const float value = dtype == Dtype::kBF16
                                ? Bf16ToFloat(elements[size / 2])
                                : F16ToFloat(elements[size / 2]);
        ASSERT_EQ(FindNonFinite(dtype, Bytes(elements)).has_value(),
                  !std::isfinite(value))
            << bits;
      }
    }
  }
}

TEST(FindNonFiniteTest, FindsItAnywhere) {
  constexpr int64_t kSize = 1100;
  constexpr float kInf = std::numeric_limits<float>::infinity();
  for (int64_t i = 0; i < kSize; ++i) {
    std::vector<uint16_t> halves(kSize, 0xf7ff);
    halves[static_cast<size_t>(i)] = 0xfc00;
    ASSERT_THAT(FindNonFinite(Dtype::kF16, Bytes(halves)), Optional(i));
    std::vector<float> floats(kSize, -1.0f);
    floats[static_cast<size_t>(i)] = kInf;
    ASSERT_THAT(FindNonFinite(Dtype::kF32, Bytes(floats)), Optional(i));
    std::vector<double> doubles(kSize, -1.0);
    doubles[static_cast<size_t>(i)] = double{-kInf};
    ASSERT_THAT(FindNonFinite(Dtype::kF64, Bytes(doubles)), Optional(i));
  }
}

}  // namespace
}  // namespace moe::checkpoint
