#include "moe/gates/weighted_draw.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/philox.h"

namespace moe {
namespace {

using ::testing::ElementsAre;

std::vector<int> CountsOfDraws(const std::vector<float>& weights,
                               int num_draws) {
  RandomStream stream(/*seed=*/1, "draws");
  std::vector<int> counts(weights.size());
  for (int i = 0; i < num_draws; ++i) {
    ++counts[static_cast<size_t>(DrawByWeight(weights, 1, stream).front())];
  }
  return counts;
}

TEST(DrawByWeightTest, ChancesAreTheWeights) {
  // 0 : 1 : 3 : 0 : 4 of 80,000 draws; six standard deviations are at most 850.
  for (const float scale : {1.0f, 1e-30f, 1e30f}) {
    const std::vector<int> counts =
        CountsOfDraws({0.0f, scale, 3 * scale, 0.0f, 4 * scale}, 80000);
    EXPECT_EQ(counts[0], 0);
    EXPECT_NEAR(counts[1], 10000, 850);
    EXPECT_NEAR(counts[2], 30000, 850);
    EXPECT_EQ(counts[3], 0);
    EXPECT_NEAR(counts[4], 40000, 850);
  }
}

TEST(DrawByWeightTest, ZerosAreUniform) {
  for (const int count : CountsOfDraws({0.0f, 0.0f, 0.0f, 0.0f}, 40000)) {
    EXPECT_NEAR(count, 10000, 550);
  }
  EXPECT_THAT(CountsOfDraws({0.0f}, 10), ElementsAre(10));
  EXPECT_THAT(CountsOfDraws({7.0f}, 10), ElementsAre(10));
}

TEST(DrawByWeightTest, Golden) {
  RandomStream stream(/*seed=*/2, "golden");
  std::vector<float> weights(1000);
  for (float& weight : weights) {
    weight = std::fabs(stream.UniformSymmetric(1.0f));
  }
  const std::vector<int64_t> draws = DrawByWeight(weights, 5, stream);
  // Computed on the first machine: pins them everywhere.
  EXPECT_THAT(draws, ElementsAre(12, 835, 278, 778, 315));
}

}  // namespace
}  // namespace moe
