// The part of the tokens that one of several workers takes.
//
// Tokens are cut where the chunks of order-free sums end
// (moe/kernels/sums/token_ranges.h), so that the workers' sums, merged, are
// those of one. A sequence that a cut goes through is walked by both.

#ifndef MOE_MODEL_WALK_TOKEN_SHARD_H_
#define MOE_MODEL_WALK_TOKEN_SHARD_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "moe/kernels/sums/token_ranges.h"
#include "moe/model/walk/shard_options.pb.h"

namespace moe {

inline constexpr int64_t kMaxShards = 1000000;

// OK, or InvalidArgument with the field, its value and what is allowed.
absl::Status ValidateShardOptions(const ShardOptions& options);

int64_t NumShards(const ShardOptions& options);

struct TokenShard {
  // The shard's own, by their numbers among all; empty where there are more
  // shards than chunks.
  TokenRange tokens;
  // Sequences [first_sequence, end_sequence) have tokens of it.
  int64_t first_sequence = 0;
  int64_t end_sequence = 0;
};

// Chunks [i C / N, (i + 1) C / N) of C = ceil(T / 128), for shard i of N.
// `offsets` are those of TokenSequences, the options valid.
TokenShard ShardOf(absl::Span<const int64_t> offsets,
                   const ShardOptions& options);

}  // namespace moe

#endif  // MOE_MODEL_WALK_TOKEN_SHARD_H_
