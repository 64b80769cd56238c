#include "moe/reconstruct/token_weights.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace moe::reconstruct {
namespace {

using ::testing::ElementsAre;

TEST(TokenWeightsTest, IsTheInverseMeanSquareWithMeanOne) {
  // Mean squares 8 / 4 = 2, 16 / 4 = 4 and 32 / 4 = 8: their inverses 0.5, 0.25
  // and 0.125 have the mean 0.875 / 3.
  EXPECT_THAT(TokenWeights({8.0, 16.0, 32.0}, 4, 0.0),
              ElementsAre(static_cast<float>(0.5 / (0.875 / 3)),
                          static_cast<float>(0.25 / (0.875 / 3)),
                          static_cast<float>(0.125 / (0.875 / 3))));
}

TEST(TokenWeightsTest, EpsilonBoundsTheWeightOfZeros) {
  // 1 / 0.25 = 4 and 1 / (1.75 + 0.25) = 0.5, of mean 2.25.
  EXPECT_THAT(TokenWeights({0.0, 7.0}, 4, 0.25),
              ElementsAre(static_cast<float>(4 / 2.25),
                          static_cast<float>(0.5 / 2.25)));
}

}  // namespace
}  // namespace moe::reconstruct
