#include "moe/base/philox.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace moe::base {
namespace {

using ::testing::ElementsAre;

// The known-answer vectors that the generator's authors publish with their
// reference implementation (Random123, kat_vectors, "philox4x32 10").
TEST(PhiloxTest, PublishedVectors) {
  EXPECT_THAT(Philox4x32({0, 0, 0, 0}, {0, 0}),
              ElementsAre(0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8));
  EXPECT_THAT(Philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
                         {0xffffffff, 0xffffffff}),
              ElementsAre(0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd));
  // Counter and key are the digits of pi.
  EXPECT_THAT(Philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
                         {0xa4093822, 0x299f31d0}),
              ElementsAre(0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1));
}

// Pins the numbers that every seeded output of the project is made of. The
// expected words come from an independent computation of the definition in the
// header (tools/python/philox_reference.py).
TEST(RandomStreamTest, DefinitionIsPinned) {
  RandomStream stream(7, "gates/3/init");
  // Nine words: two whole blocks and the first of a third.
  for (const uint32_t word :
       {0xa8b489fbu, 0x9bfa291eu, 0x0d4ae44eu, 0x495a5e50u, 0x60105eedu,
        0x0f892acau, 0x61165e47u, 0x17e12043u, 0x8c4664ffu}) {
    EXPECT_EQ(stream.NextUint32(), word);
  }
}

TEST(RandomStreamTest, NamesAndSeedsGiveDifferentStreams) {
  std::set<uint64_t> first;
  for (const uint64_t seed : {0, 1, 2}) {
    for (const char* name : {"", "a", "b", "a/0", "a/1"}) {
      first.insert(RandomStream(seed, name).NextUint64());
    }
  }
  EXPECT_EQ(first.size(), 15u);  // 3 seeds x 5 names, no two alike
}

TEST(RandomStreamTest, ACopyGoesOnByItself) {
  RandomStream stream(1, "x");
  stream.NextUint32();
  RandomStream copy = stream;
  const uint64_t next = stream.NextUint64();
  stream.NextUint64();
  EXPECT_EQ(copy.NextUint64(), next);
}

TEST(RandomStreamTest, UniformIntIsUniform) {
  RandomStream stream(2, "uniform");
  constexpr int kBound = 7;
  constexpr int kDraws = 70000;
  std::array<int, kBound> counts = {};
  for (int i = 0; i < kDraws; ++i) ++counts[stream.UniformInt(kBound)];
  // Chi-square with 6 degrees of freedom: above 22.46 once in a thousand; the
  // stream is fixed, so this either always passes or never does.
  double chi_square = 0;
  for (const int count : counts) {
    chi_square += std::pow(count - kDraws / kBound, 2) / (kDraws / kBound);
  }
  EXPECT_LT(chi_square, 22.46);
}

TEST(RandomStreamTest, UniformIntTakesEveryBound) {
  RandomStream stream(2, "bounds");
  EXPECT_EQ(stream.UniformInt(1), 0u);
  for (const uint64_t bound : {uint64_t{3} << 62, ~uint64_t{0}}) {
    for (int i = 0; i < 100; ++i) EXPECT_LT(stream.UniformInt(bound), bound);
  }
}

TEST(RandomStreamTest, UniformSymmetricIsInsideAndNeverZero) {
  RandomStream stream(4, "symmetric");
  double sum = 0;
  double sum_of_squares = 0;
  for (int i = 0; i < 10000; ++i) {
    const float u = stream.UniformSymmetric(0.25f);
    ASSERT_LT(std::abs(u), 0.25f);
    ASSERT_NE(u, 0.0f);
    sum += u;
    sum_of_squares += double{u} * u;
  }
  EXPECT_NEAR(sum / 10000, 0.0, 0.006);
  EXPECT_NEAR(sum_of_squares / 10000, 0.0625 / 3, 0.001);  // bound^2 / 3
}

TEST(ShuffleTest, EveryOrderIsEquallyLikely) {
  RandomStream stream(5, "shuffle");
  std::map<std::vector<int>, int> counts;
  for (int i = 0; i < 24000; ++i) {
    std::vector<int> values = {0, 1, 2, 3};
    Shuffle(stream, absl::MakeSpan(values));
    ++counts[values];
  }
  EXPECT_EQ(counts.size(), 24u);  // 4!
  for (const auto& [order, count] : counts) {
    EXPECT_NEAR(count, 1000, 130);  // 1000 = 24000 / 24; 130 = 4.2 deviations
  }
}

}  // namespace
}  // namespace moe::base
