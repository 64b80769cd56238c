#include "moe/reconstruct/expert_counts.h"

#include <cstdint>
#include <limits>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/reconstruct/energy_split_options.pb.h"

namespace moe::reconstruct {
namespace {

using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr auto kBad = absl::StatusCode::kInvalidArgument;

TEST(ExpertCountsTest, CountsSharedNeuronsInExperts) {
  const ExpertCounts counts = {12, {}, {}, 4, 2};
  MOE_ASSERT_OK_AND_ASSIGN(const ExpertSizes sizes, SizesOf(counts, 384));
  EXPECT_EQ(sizes.num_shared_neurons, 96);
  EXPECT_EQ(sizes.expert_size, 24);
  EXPECT_THAT(SizesOf(counts, 390).status(),
              StatusIs(kBad, HasSubstr("num_experts, 12, to a divisor of the "
                                       "intermediate size, 390, found 4")));
  EXPECT_THAT(CheckCounts({12, {}, 96, 4, 2}),
              StatusIs(kBad, HasSubstr("leave one of them out")));
}

TEST(ExpertCountsTest, AreThoseOfTheOptions) {
  EnergySplitOptions options;
  options.set_num_experts(3);
  options.set_num_shared_neurons(4);
  options.set_top_k(2);
  ExpertCounts counts = ExpertCountsOf(options);
  EXPECT_EQ(counts.num_experts, 3);
  EXPECT_FALSE(counts.expert_size.has_value());
  EXPECT_EQ(counts.num_shared_neurons, 4);
  EXPECT_EQ(counts.top_k, 2);
  options.set_expert_size(5);
  EXPECT_EQ(ExpertCountsOf(options).expert_size, 5);
}

TEST(ExpertSizeTest, IsWhatSharedNeuronsLeave) {
  // 100 - 16 = 84 = 7 * 12
  EXPECT_EQ(SizesOf({7, {}, 16, {}, 1}, 100)->expert_size, 12);
  EXPECT_EQ(SizesOf({7, 12, 16, {}, 1}, 100)->expert_size, 12);
  EXPECT_EQ(SizesOf({4, {}, 0, {}, 1}, 100)->expert_size, 25);
  EXPECT_THAT(SizesOf({8, {}, 16, {}, 1}, 100).status(),
              StatusIs(kBad, HasSubstr("a divisor of 84")));
  EXPECT_THAT(SizesOf({7, 11, 16, {}, 1}, 100).status(),
              StatusIs(kBad, HasSubstr("found experts of 11")));
  EXPECT_THAT(SizesOf({7, std::numeric_limits<int64_t>::max(), 16, {}, 1}, 100)
                  .status(),
              StatusIs(kBad, HasSubstr("expert_size")));
  EXPECT_THAT(SizesOf({7, {}, 100, {}, 1}, 100).status(),
              StatusIs(kBad, HasSubstr("num_shared_neurons: expected fewer")));
}

TEST(ExpertCountsTest, NeedExpertsAndTokensEnough) {
  MOE_EXPECT_OK(CheckCounts({3, {}, 0, {}, 3}));
  EXPECT_THAT(CheckCounts({3, {}, 0, {}, 4}),
              StatusIs(kBad, HasSubstr("top_k")));
  MOE_EXPECT_OK(CheckEnoughTokensFor({3, {}, 5, {}, 1}, 5));
  EXPECT_THAT(CheckEnoughTokensFor({3, {}, 5, {}, 1}, 4),
              StatusIs(kBad, HasSubstr("num_shared_neurons: expected at most "
                                       "4, the number of tokens, found 5")));
  EXPECT_THAT(CheckEnoughTokensFor({6, {}, 5, {}, 1}, 5),
              StatusIs(kBad, HasSubstr("num_experts")));
}

TEST(LargestNeuronsTest, TakesTheLowestOfEqualOnes) {
  EXPECT_THAT(LargestNeurons({1, 5, 3, 5, 3, 9}, 4), ElementsAre(1, 2, 3, 5));
  EXPECT_THAT(LargestNeurons({1, 5}, 0), ElementsAre());
}

TEST(OtherNeuronsTest, AreTheRest) {
  EXPECT_THAT(OtherNeurons(6, {1, 2, 5}), ElementsAre(0, 3, 4));
  EXPECT_THAT(OtherNeurons(2, {}), ElementsAre(0, 1));
}

}  // namespace
}  // namespace moe::reconstruct
