#include "moe/split/neuron_ranking.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix.h"
#include "moe/split/split_options.pb.h"

namespace moe {
namespace {

using ::testing::ElementsAre;

TEST(RankNeuronsTest, TheBestFirstAndTheLowestIndexAmongEquals) {
  const Matrix<float> scores(2, 5,
                             {0.5f, 2.0f, -0.0f, 2.0f, 0.0f,  //
                              1.0f, 1.0f, 1.0f, 1.0f, 3.0f});
  const auto max = RankNeurons(scores, SplitCriterion::MAX);
  EXPECT_THAT(max.Row(0), ElementsAre(1, 3, 0, 2, 4));
  EXPECT_THAT(max.Row(1), ElementsAre(4, 0, 1, 2, 3));
  const auto min = RankNeurons(scores, SplitCriterion::MIN);
  EXPECT_THAT(min.Row(0), ElementsAre(2, 4, 0, 1, 3));
  EXPECT_THAT(min.Row(1), ElementsAre(0, 1, 2, 3, 4));
}

}  // namespace
}  // namespace moe
