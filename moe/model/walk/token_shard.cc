#include "moe/model/walk/token_shard.h"

#include <algorithm>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "moe/base/option_checks.h"
#include "moe/base/status_macros.h"
#include "moe/kernels/sums/token_ranges.h"
#include "moe/model/walk/shard_options.pb.h"

namespace moe::model {

absl::Status ValidateShardOptions(const ShardOptions& options) {
  const int64_t num_shards = NumShards(options);
  MOE_RETURN_IF_ERROR(base::CheckField(
      num_shards >= 1 && num_shards <= kMaxShards, "num_shards", num_shards,
      absl::StrCat("1 to ", kMaxShards)));
  return base::CheckField(options.shard() >= 0 && options.shard() < num_shards,
                          "shard", options.shard(),
                          absl::StrCat("0 to ", num_shards - 1));
}

int64_t NumShards(const ShardOptions& options) {
  return options.has_num_shards() ? options.num_shards() : 1;
}

TokenShard ShardOf(absl::Span<const int64_t> offsets,
                   const ShardOptions& options) {
  const int64_t num_tokens = offsets.back();
  const int64_t num_chunks =
      (num_tokens + kernels::kTokensPerChunk - 1) / kernels::kTokensPerChunk;
  const auto token_at = [&](int64_t shard) {
    const int64_t chunk = num_chunks * shard / NumShards(options);
    return std::min(chunk * kernels::kTokensPerChunk, num_tokens);
  };
  TokenShard part;
  part.tokens = {token_at(options.shard()), token_at(options.shard() + 1)};
  if (part.tokens.begin == part.tokens.end) return part;
  // The sequence of the first token, and the one behind that of the last.
  part.first_sequence =
      std::upper_bound(offsets.begin(), offsets.end(), part.tokens.begin) -
      offsets.begin() - 1;
  part.end_sequence =
      std::lower_bound(offsets.begin(), offsets.end(), part.tokens.end) -
      offsets.begin();
  return part;
}

}  // namespace moe::model
