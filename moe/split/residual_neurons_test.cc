#include "moe/split/residual_neurons.h"

#include <cstdint>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix.h"

namespace moe {
namespace {

using ::testing::ElementsAre;

const Matrix<int32_t>& Ranking() {
  static const auto& ranking = *new Matrix<int32_t>(3, 6,
                                                    {4, 2, 0, 1, 3, 5,  //
                                                     2, 4, 1, 5, 0, 3,  //
                                                     3, 2, 5, 4, 1, 0});
  return ranking;
}

TEST(ChooseResidualNeuronsTest, RoundAfterRound) {
  // Lists of two: {4, 2}, {2, 4}, {3, 2}: 2 stands in three.
  // {4, 0}, {4, 1}, {3, 5}: 4 in two. {0, 1}, {1, 5}, {3, 5}: 1 and 5 in two,
  // though 1 leaves 0 and 3, 5 and 0, 3 and 5. {0, 3}, {0, 3}, {3, 0}.
  EXPECT_THAT(ChooseResidualNeurons(Ranking(), 2, 6),
              ElementsAre(2, 4, 1, 5, 0, 3));
  EXPECT_THAT(ChooseResidualNeurons(Ranking(), 2, 3), ElementsAre(2, 4, 1));
  EXPECT_THAT(ChooseResidualNeurons(Ranking(), 2, 0), ElementsAre());
}

TEST(ChooseResidualNeuronsTest, AListIsAtMostAllNeurons) {
  EXPECT_THAT(ChooseResidualNeurons(Ranking(), 100, 4),
              ElementsAre(0, 1, 2, 3));
}

}  // namespace
}  // namespace moe
