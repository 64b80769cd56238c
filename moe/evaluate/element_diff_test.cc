#include "moe/evaluate/element_diff.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/checkpoint/dtype.h"
#include "moe/evaluate/diff_options.pb.h"

namespace moe::evaluate {
namespace {

using ::testing::Eq;
using ::testing::Optional;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kDenormMin = std::numeric_limits<float>::denorm_min();

template <typename T>
ElementDiff DiffOf(checkpoint::Dtype dtype, const std::vector<T>& a,
                   const std::vector<T>& b, const DiffOptions& options = {},
                   size_t elements_per_piece = 1000) {
  ElementDiff diff;
  for (size_t begin = 0; begin < a.size(); begin += elements_per_piece) {
    const size_t count = std::min(elements_per_piece, a.size() - begin);
    const auto bytes = [&](const std::vector<T>& values) {
      return absl::MakeConstSpan(
          reinterpret_cast<const char*>(values.data() + begin),
          count * sizeof(T));
    };
    AccumulateDiff(dtype, bytes(a), bytes(b), options, diff);
  }
  return diff;
}

// The distance of two elements by their bits; nothing where one is not finite.
template <typename Bits>
std::optional<uint64_t> UlpDistance(checkpoint::Dtype dtype, Bits a, Bits b) {
  const ElementDiff diff = DiffOf<Bits>(dtype, {a}, {b});
  if (diff.num_not_finite > 0) return std::nullopt;
  return diff.max_ulp;
}

std::optional<uint64_t> UlpF32(float a, float b) {
  return UlpDistance(checkpoint::Dtype::kF32, std::bit_cast<uint32_t>(a),
                     std::bit_cast<uint32_t>(b));
}

TEST(UlpDistanceTest, CountsStepsBetweenNumbers) {
  EXPECT_THAT(UlpF32(1.0f, 1.0f), Optional(0));
  EXPECT_THAT(UlpF32(1.0f, std::nextafter(1.0f, 2.0f)), Optional(1));
  EXPECT_THAT(UlpF32(std::nextafter(1.0f, 0.0f), 1.0f), Optional(1));
  // Between 1 and 2 lie 2^23 steps.
  EXPECT_THAT(UlpF32(1.0f, 2.0f), Optional(1 << 23));
  EXPECT_THAT(UlpF32(-2.0f, -1.0f), Optional(1 << 23));
}

TEST(UlpDistanceTest, ZerosOfBothSignsAreTheSameNumber) {
  EXPECT_THAT(UlpF32(0.0f, -0.0f), Optional(0));
  EXPECT_THAT(UlpF32(-0.0f, kDenormMin), Optional(1));
}

TEST(UlpDistanceTest, CrossesZeroThroughTheDenormals) {
  EXPECT_THAT(UlpF32(-kDenormMin, kDenormMin), Optional(2));
  EXPECT_THAT(UlpF32(3 * kDenormMin, -4 * kDenormMin), Optional(7));
  // The smallest normal number is 2^23 steps above zero.
  EXPECT_THAT(UlpF32(0.0f, std::numeric_limits<float>::min()),
              Optional(1 << 23));
}

TEST(UlpDistanceTest, HoldsTheLargestDistances) {
  const float largest = std::numeric_limits<float>::max();
  // 2 * 0x7f7fffff.
  EXPECT_THAT(UlpF32(-largest, largest), Optional(0xfefffffeu));
  // 2 * 0x7fefffffffffffff.
  EXPECT_THAT(UlpDistance<uint64_t>(checkpoint::Dtype::kF64, 0xffefffffffffffff,
                                    0x7fefffffffffffff),
              Optional(0xffdffffffffffffe));
}

TEST(UlpDistanceTest, InfinityAndNanAreNoDistanceAway) {
  EXPECT_THAT(UlpF32(kInf, kInf), Optional(0));
  EXPECT_THAT(UlpF32(kInf, std::numeric_limits<float>::max()),
              Eq(std::nullopt));
  EXPECT_THAT(UlpF32(kInf, -kInf), Eq(std::nullopt));
  EXPECT_THAT(UlpF32(kNan, kNan), Optional(0));
  EXPECT_THAT(UlpF32(kNan, -kNan), Eq(std::nullopt));
  EXPECT_THAT(UlpF32(kNan, 1.0f), Eq(std::nullopt));
}

TEST(UlpDistanceTest, CountsInTheTypesOwnSteps) {
  // 0x3f80 is 1 and 0x4000 is 2 in BF16 (7 bits of fraction); 0x3c00 and 0x4000
  // in F16 (10 bits).
  EXPECT_THAT(UlpDistance<uint16_t>(checkpoint::Dtype::kBF16, 0x3f80, 0x4000),
              Optional(128));
  EXPECT_THAT(UlpDistance<uint16_t>(checkpoint::Dtype::kF16, 0x3c00, 0x4000),
              Optional(1024));
  EXPECT_THAT(UlpDistance<uint16_t>(checkpoint::Dtype::kF16, 0x8001, 0x0001),
              Optional(2));
  // Infinities of BF16 and F16.
  EXPECT_THAT(UlpDistance<uint16_t>(checkpoint::Dtype::kBF16, 0x7f80, 0x7f7f),
              Eq(std::nullopt));
  EXPECT_THAT(UlpDistance<uint16_t>(checkpoint::Dtype::kF16, 0x7c00, 0x7bff),
              Eq(std::nullopt));
  EXPECT_THAT(UlpDistance<uint16_t>(checkpoint::Dtype::kF16, 0x7b00, 0x7bff),
              Optional(0xff));
}

TEST(UlpDistanceTest, IsOfFloatingTypesOnly) {
  EXPECT_THAT(UlpDistance<int64_t>(checkpoint::Dtype::kI64, 1, 2), Optional(0));
}

TEST(AccumulateDiffTest, SaysWhereAndHowFar) {
  const ElementDiff diff =
      DiffOf<float>(checkpoint::Dtype::kF32, {3.0f, 0.0f, 4.0f, 0.0f},
                    {3.0f, 0.5f, 4.0f, -1.25f});
  EXPECT_EQ(diff.num_elements, 4);
  EXPECT_EQ(diff.num_different, 2);
  EXPECT_EQ(diff.num_failed, 2);
  EXPECT_EQ(diff.first_different, 1);
  EXPECT_EQ(diff.max_abs_diff, 1.25);
  EXPECT_EQ(diff.max_abs_diff_at, 3);
  EXPECT_EQ(diff.a_at_max, 0.0);
  EXPECT_EQ(diff.b_at_max, -1.25);
  // 0.25 + 1.5625; 9 + 16.
  EXPECT_EQ(diff.sum_squared_diff, 1.8125);
  EXPECT_EQ(diff.sum_squared_a, 25.0);
  EXPECT_DOUBLE_EQ(diff.RelativeNorm(), std::sqrt(1.8125) / 5.0);
}

TEST(AccumulateDiffTest, HistogramHasPowersOfTwo) {
  // Steps 0 (signs of zero), 1, 2, 3, 4 from 0 up.
  const ElementDiff diff = DiffOf<uint16_t>(
      checkpoint::Dtype::kBF16, {0, 0, 0, 0, 0}, {0x8000, 1, 2, 3, 4});
  UlpHistogram want = {};
  want[0] = 1;
  want[1] = 1;  // 1
  want[2] = 2;  // 2 and 3
  want[3] = 1;  // 4 to 7
  EXPECT_EQ(diff.ulp_histogram, want);
  EXPECT_EQ(diff.max_ulp, 4u);
}

TEST(AccumulateDiffTest, ResultDoesNotDependOnThePieces) {
  std::vector<float> a;
  std::vector<float> b;
  for (int i = 0; i < 1000; ++i) {
    a.push_back(1.0f / static_cast<float>(i + 1));
    b.push_back(i % 3 == 0 ? a.back() : a.back() * 1.001f);
  }
  const ElementDiff whole = DiffOf(checkpoint::Dtype::kF32, a, b);
  const ElementDiff pieces = DiffOf(checkpoint::Dtype::kF32, a, b, {}, 7);
  EXPECT_EQ(whole.sum_squared_diff, pieces.sum_squared_diff);
  EXPECT_EQ(whole.sum_squared_a, pieces.sum_squared_a);
  EXPECT_EQ(whole.max_abs_diff_at, pieces.max_abs_diff_at);
  EXPECT_EQ(whole.ulp_histogram, pieces.ulp_histogram);
}

TEST(AccumulateDiffTest, ValuesWithinATolerancePass) {
  const std::vector<float> a = {1.0f, 100.0f, 0.0f};
  const std::vector<float> b = {1.5f, 101.0f, 0.25f};
  DiffOptions options;
  options.set_rtol(0.01);
  // |a - b| is 0.5, 1, 0.25; the bounds are 0.015, 1.01, 0.0025.
  EXPECT_EQ(DiffOf(checkpoint::Dtype::kF32, a, b, options).num_failed, 2);
  options.set_atol(0.25);  // 0.265, 1.26, 0.2525.
  EXPECT_EQ(DiffOf(checkpoint::Dtype::kF32, a, b, options).num_failed, 1);
  options.clear_rtol();  // 0.25 for all.
  EXPECT_EQ(DiffOf(checkpoint::Dtype::kF32, a, b, options).num_failed, 2);
  EXPECT_EQ(DiffOf(checkpoint::Dtype::kF32, a, b, options).num_different, 3);
}

TEST(AccumulateDiffTest, UlpToleranceOfZeroLetsSignsOfZeroPass) {
  const std::vector<float> a = {0.0f, 1.0f};
  const std::vector<float> b = {-0.0f, std::nextafter(1.0f, 2.0f)};
  DiffOptions options;
  EXPECT_EQ(DiffOf(checkpoint::Dtype::kF32, a, b, options).num_failed, 2);
  options.set_max_ulp(0);
  EXPECT_EQ(DiffOf(checkpoint::Dtype::kF32, a, b, options).num_failed, 1);
  options.set_max_ulp(1);
  EXPECT_EQ(DiffOf(checkpoint::Dtype::kF32, a, b, options).num_failed, 0);
}

TEST(AccumulateDiffTest, NanAndInfinityPassOnlyWithTheSameBits) {
  const std::vector<float> a = {kNan, kNan, kInf, kInf, 1.0f};
  const std::vector<float> b = {kNan, -kNan, kInf, 1.0f, kNan};
  DiffOptions options;
  options.set_rtol(1e30);
  options.set_atol(1e30);
  options.set_max_ulp(std::numeric_limits<int64_t>::max());
  const ElementDiff diff = DiffOf(checkpoint::Dtype::kF32, a, b, options);
  EXPECT_EQ(diff.num_different, 3);
  EXPECT_EQ(diff.num_failed, 3);
  EXPECT_EQ(diff.num_not_finite, 3);
  EXPECT_EQ(diff.first_different, 1);
  EXPECT_EQ(diff.max_abs_diff_at, -1);
  EXPECT_EQ(diff.sum_squared_diff, 0.0);
}

TEST(AccumulateDiffTest, IntegersAreTheSameOrNot) {
  DiffOptions options;
  options.set_atol(10.0);
  const ElementDiff diff =
      DiffOf<int64_t>(checkpoint::Dtype::kI64, {1, 2, 3}, {1, 2, 4}, options);
  EXPECT_EQ(diff.num_different, 1);
  EXPECT_EQ(diff.num_failed, 1);
  EXPECT_EQ(diff.first_different, 2);
  EXPECT_EQ(diff.max_abs_diff_at, -1);
}

TEST(ElementDiffTest, NormIsRelativeToA) {
  ElementDiff diff;
  EXPECT_EQ(diff.RelativeNorm(), 0.0);
  diff.sum_squared_diff = 4.0;
  EXPECT_EQ(diff.RelativeNorm(), std::numeric_limits<double>::infinity());
  diff.sum_squared_a = 16.0;
  EXPECT_EQ(diff.RelativeNorm(), 0.5);
}

}  // namespace
}  // namespace moe::evaluate
