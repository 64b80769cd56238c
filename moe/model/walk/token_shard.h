// The shard of the tokens that one of several workers takes.
//
// Tokens are cut at the ends of the chunks of order-free sums
// (moe/kernels/sums/token_ranges.h), so that the merged sums of the workers are
// those of one worker. If a cut goes through a sequence, both workers walk it.

#ifndef MOE_MODEL_WALK_TOKEN_SHARD_H_
#define MOE_MODEL_WALK_TOKEN_SHARD_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "moe/kernels/sums/token_ranges.h"
#include "moe/model/walk/shard_options.pb.h"

namespace moe::model {

inline constexpr int64_t kMaxShards = 1000000;

// OK, or InvalidArgument with the field, its value and what is allowed.
absl::Status ValidateShardOptions(const ShardOptions& options);

int64_t NumShards(const ShardOptions& options);

struct TokenShard {
  // The shard's own tokens, numbered among all; empty if there are more shards
  // than chunks.
  kernels::TokenRange tokens;
  // The sequences [first_sequence, end_sequence) have tokens of the shard.
  int64_t first_sequence = 0;
  int64_t end_sequence = 0;
};

// Shard i of N: the chunks [i C / N, (i + 1) C / N) of C = ceil(T / 128).
// `offsets` are those of TokenSequences. The options must be valid.
TokenShard ShardOf(absl::Span<const int64_t> offsets,
                   const ShardOptions& options);

}  // namespace moe::model

#endif  // MOE_MODEL_WALK_TOKEN_SHARD_H_
