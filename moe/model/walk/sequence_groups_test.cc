#include "moe/model/walk/sequence_groups.h"

#include <cstdint>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace moe::model {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(GroupSequencesTest, TakesAsManyAsFit) {
  // Sequences of 3, 2, 5, 9, 1 and 1 tokens.
  const std::vector<int64_t> offsets = {0, 3, 5, 10, 19, 20, 21};
  const std::vector<SequenceGroup> groups = GroupSequences(offsets, 5);
  ASSERT_EQ(groups.size(), 4);
  EXPECT_EQ(groups[0].first_sequence, 0);
  EXPECT_EQ(groups[0].first_token, 0);
  EXPECT_THAT(groups[0].offsets, ElementsAre(0, 3, 5));
  EXPECT_EQ(groups[1].first_sequence, 2);
  EXPECT_THAT(groups[1].offsets, ElementsAre(0, 5));
  // Longer than the limit: alone.
  EXPECT_EQ(groups[2].first_sequence, 3);
  EXPECT_EQ(groups[2].first_token, 10);
  EXPECT_THAT(groups[2].offsets, ElementsAre(0, 9));
  EXPECT_EQ(groups[2].end_token(), 19);
  EXPECT_EQ(groups[3].first_sequence, 4);
  EXPECT_THAT(groups[3].offsets, ElementsAre(0, 1, 2));
  EXPECT_EQ(groups[3].num_tokens(), 2);
}

TEST(GroupSequencesTest, OfNothingIsNothing) {
  EXPECT_THAT(GroupSequences({0}, 5), IsEmpty());
}

TEST(LongestSequenceTest, IsTheLongest) {
  EXPECT_EQ(LongestSequence({0, 3, 5, 10, 11}), 5);
  EXPECT_EQ(LongestSequence({0}), 0);
}

}  // namespace
}  // namespace moe::model
