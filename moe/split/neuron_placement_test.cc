#include "moe/split/neuron_placement.h"

#include <cstdint>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/split/split_options.pb.h"

namespace moe::split {
namespace {

using ::testing::ElementsAre;

// Six neurons, two experts.
const base::Matrix<float>& Scores() {
  static const auto& scores = *new base::Matrix<float>(2, 6,
                                                       {9, 5, 4, 3, 2, 1,  //
                                                        8, 9, 6, 1, 3, 0});
  return scores;
}

TEST(PlaceNeuronsTest, TheMostWantedGoFirst) {
  const auto ranking = RankNeurons(Scores(), SplitCriterion::MAX);
  std::vector<bool> is_taken(6);
  const base::Matrix<int64_t> experts =
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
  const base::Matrix<int64_t> experts =
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
  const base::Matrix<int64_t> experts = BestNeurons(ranking, 3, is_taken);
  EXPECT_THAT(experts.Row(0), ElementsAre(0, 2, 3));
  EXPECT_THAT(experts.Row(1), ElementsAre(0, 2, 4));
}

TEST(RankNeuronsTest, TheBestFirstAndTheLowestIndexAmongEquals) {
  const base::Matrix<float> scores(2, 5,
                                   {0.5f, 2.0f, -0.0f, 2.0f, 0.0f,  //
                                    1.0f, 1.0f, 1.0f, 1.0f, 3.0f});
  const auto max = RankNeurons(scores, SplitCriterion::MAX);
  EXPECT_THAT(max.Row(0), ElementsAre(1, 3, 0, 2, 4));
  EXPECT_THAT(max.Row(1), ElementsAre(4, 0, 1, 2, 3));
  const auto min = RankNeurons(scores, SplitCriterion::MIN);
  EXPECT_THAT(min.Row(0), ElementsAre(2, 4, 0, 1, 3));
  EXPECT_THAT(min.Row(1), ElementsAre(0, 1, 2, 3, 4));
}

const base::Matrix<int32_t>& Ranking() {
  static const auto& ranking = *new base::Matrix<int32_t>(3, 6,
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

using ::testing::IsEmpty;

TEST(NeuronOverlapTest, CountsInHowManyListsNeuronsStand) {
  const base::Matrix<int32_t> ranking(3, 5,
                                      {0, 1, 2, 3, 4,  //
                                       0, 2, 1, 3, 4,  //
                                       0, 1, 4, 3, 2});
  // Best two: 0 in three lists, 1 in two, 2 in one, 3 and 4 in none.
  const checkpoint::LayerNeuronIndices shared = {
      base::Matrix<int64_t>(3, 2, {1, 2, 2, 1, 1, 4}),
      std::vector<int64_t>{0, 3}};
  const NeuronOverlap overlap = OverlapOf(ranking, shared);
  EXPECT_THAT(overlap.wanted, ElementsAre(2, 1, 1, 1));
  // Got: 1 by three, 2 by two, 4 by one, 0 and 3 by none.
  EXPECT_THAT(overlap.taken, ElementsAre(2, 1, 1, 1));
  // 0 is wanted by three, 3 by none.
  EXPECT_THAT(overlap.residual_wanted, ElementsAre(1, 0, 0, 1));

  const checkpoint::LayerNeuronIndices vanilla = {
      base::Matrix<int64_t>(3, 1, {0, 2, 1}), {}};
  EXPECT_THAT(OverlapOf(ranking, vanilla).wanted, ElementsAre(4, 0, 0, 1));
  EXPECT_THAT(OverlapOf(ranking, vanilla).taken, ElementsAre(2, 3, 0, 0));
  EXPECT_THAT(OverlapOf(ranking, vanilla).residual_wanted, IsEmpty());
}

}  // namespace

}  // namespace moe::split
