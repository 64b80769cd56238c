#include "tools/cli/shard_flags.h"

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "moe/base/options/option.pb.h"
#include "moe/base/status_macros.h"
#include "moe/model/walk/shard_options.pb.h"
#include "moe/model/walk/token_shard.h"
#include "tools/cli/flag_set.h"

namespace moe::cli {

void AddShardFlags(FlagSet& flags, ShardFlags* values) {
  flags.AddInt(
      {.names = {"shards"},
       .what = "share the tokens out among so many runs, each of which "
               "writes a part; needs --shard"},
      {.min = 1, .max = kMaxShards}, &values->num_shards);
  flags.AddInt(
      {.names = {"shard"}, .what = "which part to make: 0 to --shards less 1"},
      {.min = 0, .max = kMaxShards - 1}, &values->shard);
  flags.SetAlternative("merge");
  flags.AddStrings({.names = {"merge"},
                    .what = "make the artifact from the parts of all shards, "
                            "in any order",
                    .path = Option::INPUT_PATH},
                   &values->merge);
}

absl::StatusOr<ShardOptions> ShardOptionsOf(const ShardFlags& flags) {
  if (flags.num_shards.has_value() != flags.shard.has_value()) {
    return absl::InvalidArgumentError(
        flags.shard.has_value()
            ? "--shard is given without --shards, the number of parts"
            : "--shards is given without --shard, which of them to make");
  }
  ShardOptions options;
  if (!flags.num_shards.has_value()) return options;
  options.set_num_shards(*flags.num_shards);
  options.set_shard(*flags.shard);
  MOE_RETURN_IF_ERROR(ValidateShardOptions(options));
  return options;
}

}  // namespace moe::cli
