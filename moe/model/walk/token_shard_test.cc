#include "moe/model/walk/token_shard.h"

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/kernels/sums/token_ranges.h"
#include "moe/model/walk/shard_options.pb.h"

namespace moe::model {
namespace {

using ::moe::base::testing::StatusIs;
using ::testing::HasSubstr;

ShardOptions Options(int64_t num_shards, int64_t shard) {
  ShardOptions options;
  options.set_num_shards(num_shards);
  options.set_shard(shard);
  return options;
}

TEST(TokenShardTest, OptionsNameTheField) {
  MOE_EXPECT_OK(ValidateShardOptions({}));
  MOE_EXPECT_OK(ValidateShardOptions(Options(5, 4)));
  EXPECT_THAT(ValidateShardOptions(Options(5, 5)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("shard: expected 0 to 4, found 5")));
  EXPECT_THAT(ValidateShardOptions(Options(0, 0)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("num_shards: expected 1 to")));
  EXPECT_FALSE(ValidateShardOptions(Options(kMaxShards + 1, 0)).ok());
  EXPECT_FALSE(ValidateShardOptions(Options(2, -1)).ok());
}

TEST(TokenShardTest, CutsAtChunksAndTakesWholeSequences) {
  // 5 chunks: 0..128..256..384..512..600.
  const std::vector<int64_t> offsets = {0, 128, 130, 300, 384, 600};
  const TokenShard first = ShardOf(offsets, Options(2, 0));  // Chunks 0 and 1.
  EXPECT_EQ(first.tokens, (kernels::TokenRange{0, 256}));
  EXPECT_EQ(first.first_sequence, 0);
  EXPECT_EQ(first.end_sequence, 3);
  const TokenShard second = ShardOf(offsets, Options(2, 1));
  EXPECT_EQ(second.tokens, (kernels::TokenRange{256, 600}));
  EXPECT_EQ(second.first_sequence, 2);
  EXPECT_EQ(second.end_sequence, 5);
  // A cut that is a sequence's end, too.
  EXPECT_EQ(ShardOf(offsets, Options(5, 0)).end_sequence, 1);
  EXPECT_EQ(ShardOf(offsets, Options(5, 1)).first_sequence, 1);
}

TEST(TokenShardTest, EveryTokenIsInOneShard) {
  for (const int64_t num_tokens : {0, 1, 127, 128, 129, 1000, 5000}) {
    std::vector<int64_t> offsets = {0};
    while (offsets.back() < num_tokens) {
      offsets.push_back(std::min(num_tokens, offsets.back() + 37));
    }
    for (const int64_t num_shards : {1, 2, 3, 7, 8, 100}) {
      int64_t at = 0;
      for (int64_t i = 0; i < num_shards; ++i) {
        const TokenShard shard = ShardOf(offsets, Options(num_shards, i));
        EXPECT_EQ(shard.tokens.begin, at);
        at = shard.tokens.end;
        if (shard.tokens.begin == shard.tokens.end) {
          EXPECT_EQ(shard.first_sequence, shard.end_sequence);
          continue;
        }
        const auto first = static_cast<size_t>(shard.first_sequence);
        const auto end = static_cast<size_t>(shard.end_sequence);
        EXPECT_LE(offsets[first], shard.tokens.begin);
        EXPECT_GT(offsets[first + 1], shard.tokens.begin);
        EXPECT_GE(offsets[end], shard.tokens.end);
        EXPECT_LT(offsets[end - 1], shard.tokens.end);
      }
      EXPECT_EQ(at, num_tokens);
    }
  }
}

}  // namespace
}  // namespace moe::model
