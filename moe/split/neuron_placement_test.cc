#include "moe/split/neuron_placement.h"

#include <cstdint>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix.h"
#include "moe/split/neuron_ranking.h"
#include "moe/split/split_options.pb.h"

namespace moe {
namespace {

using ::testing::ElementsAre;

// Six neurons, two experts.
const Matrix<float>& Scores() {
  static const auto& scores = *new Matrix<float>(2, 6,
                                                 {9, 5, 4, 3, 2, 1,  //
                                                  8, 9, 6, 1, 3, 0});
  return scores;
}

TEST(PlaceNeuronsTest, TheMostWantedGoFirst) {
  const auto ranking = RankNeurons(Scores(), SplitCriterion::MAX);
  std::vector<bool> is_taken(6);
  const Matrix<int64_t> experts =
      PlaceNeurons({Scores(), ranking, SplitCriterion::MAX}, 3, is_taken);
  // 9 stands against 9: the highest expert gets its neuron 1. Then 9 (neuron 0
  // to expert 0), 6 against 4 (2 to 1), 3 against 3 (4 to 1, which is full).
  EXPECT_THAT(experts.Row(1), ElementsAre(1, 2, 4));
  EXPECT_THAT(experts.Row(0), ElementsAre(0, 3, 5));
  EXPECT_THAT(is_taken, ElementsAre(true, true, true, true, true, true));
}

TEST(PlaceNeuronsTest, TheSmallestWithMin) {
  const auto ranking = RankNeurons(Scores(), SplitCriterion::MIN);
  std::vector<bool> is_taken(6);
  is_taken[5] = is_taken[0] = true;
  const Matrix<int64_t> experts =
      PlaceNeurons({Scores(), ranking, SplitCriterion::MIN}, 2, is_taken);
  // 1 (3 to expert 1) against 2; then 2 (4 to expert 0) against 3; 4 (2 to 0);
  // what is left: 9 (1 to 1).
  EXPECT_THAT(experts.Row(0), ElementsAre(4, 2));
  EXPECT_THAT(experts.Row(1), ElementsAre(3, 1));
}

TEST(BestNeuronsTest, WhateverTheOthersHave) {
  const auto ranking = RankNeurons(Scores(), SplitCriterion::MAX);
  std::vector<bool> is_taken(6);
  is_taken[1] = true;
  const Matrix<int64_t> experts = BestNeurons(ranking, 3, is_taken);
  EXPECT_THAT(experts.Row(0), ElementsAre(0, 2, 3));
  EXPECT_THAT(experts.Row(1), ElementsAre(0, 2, 4));
}

}  // namespace
}  // namespace moe
