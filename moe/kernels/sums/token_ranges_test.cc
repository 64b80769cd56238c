#include "moe/kernels/sums/token_ranges.h"

#include <cstdint>
#include <limits>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/philox.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/kernels/sums/testing/token_cuts.h"

namespace moe::kernels {
namespace {

using ::moe::base::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(TokenRangesTest, NeighboursBecomeOne) {
  TokenRanges tokens;
  EXPECT_THAT(tokens.ranges(), IsEmpty());
  MOE_EXPECT_OK(tokens.Insert({0, 128}));
  MOE_EXPECT_OK(tokens.Insert({256, 384}));
  EXPECT_THAT(tokens.ranges(),
              ElementsAre(TokenRange{0, 128}, TokenRange{256, 384}));
  EXPECT_EQ(tokens.size(), 256);
  MOE_EXPECT_OK(tokens.Insert({128, 256}));
  EXPECT_THAT(tokens.ranges(), ElementsAre(TokenRange{0, 384}));
  MOE_EXPECT_OK(tokens.Insert({1024, 1025}));
  MOE_EXPECT_OK(tokens.Insert({896, 1024}));
  EXPECT_THAT(tokens.ranges(),
              ElementsAre(TokenRange{0, 384}, TokenRange{896, 1025}));
  EXPECT_EQ(tokens.size(), 384 + 129);
}

TEST(TokenRangesTest, ExtendsInTheMidstOfAChunk) {
  TokenRanges tokens;
  MOE_EXPECT_OK(tokens.Insert({0, 5}));
  MOE_EXPECT_OK(tokens.Insert({256, 300}));
  MOE_EXPECT_OK(tokens.Extend({5, 130}));
  EXPECT_THAT(tokens.ranges(),
              ElementsAre(TokenRange{0, 130}, TokenRange{256, 300}));
  EXPECT_THAT(tokens.Extend({130, 257}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("have a chunk of 128 tokens in common")));
  MOE_EXPECT_OK(tokens.Extend({130, 256}));
  EXPECT_THAT(tokens.ranges(), ElementsAre(TokenRange{0, 300}));
  EXPECT_THAT(tokens.Extend({299, 301}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("follow no token")));
}

TEST(TokenRangesTest, RefusesARangeAndStaysAsItWas) {
  TokenRanges tokens;
  MOE_EXPECT_OK(tokens.Insert({128, 200}));
  MOE_EXPECT_OK(tokens.Insert({512, 640}));
  const TokenRanges before = tokens;
  for (const TokenRange range :
       {TokenRange{0, 129}, TokenRange{128, 200}, TokenRange{0, 1000},
        TokenRange{256, 513}, TokenRange{512, 1000}, TokenRange{200, 256},
        TokenRange{129, 130}, TokenRange{5, 6}, TokenRange{-128, 0},
        TokenRange{0, 0}, TokenRange{256, 255}}) {
    EXPECT_THAT(tokens.Insert(range),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << range.begin << " " << range.end;
    EXPECT_EQ(tokens, before);
  }
}

TEST(TokenRangesTest, TheLargestTokens) {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  TokenRanges tokens;
  MOE_EXPECT_OK(tokens.Insert({kMax - 127, kMax}));
  MOE_EXPECT_OK(tokens.Insert({0, kMax - 127}));
  EXPECT_EQ(tokens.size(), kMax);
}

TEST(TokenRangesTest, AnyOrderOfShardsGivesTheSame) {
  base::RandomStream stream(1, "shards");
  for (int repetition = 0; repetition < 50; ++repetition) {
    TokenRanges tokens;
    for (const TokenRange shard : testing::CutIntoShards(stream, {256, 5000})) {
      TokenRanges others;
      MOE_ASSERT_OK(others.Insert(shard));
      MOE_ASSERT_OK(tokens.InsertAll(others));
      const TokenRanges before = tokens;
      EXPECT_THAT(tokens.InsertAll(others),
                  StatusIs(absl::StatusCode::kInvalidArgument));
      EXPECT_EQ(tokens, before);
    }
    EXPECT_THAT(tokens.ranges(), ElementsAre(TokenRange{256, 5000}));
  }
}

}  // namespace
}  // namespace moe::kernels
