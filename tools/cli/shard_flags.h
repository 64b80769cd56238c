// The flags of every command whose work several machines can share.

#ifndef TOOLS_CLI_SHARD_FLAGS_H_
#define TOOLS_CLI_SHARD_FLAGS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "moe/model/walk/shard_options.pb.h"
#include "tools/cli/flag_set.h"

namespace moe::cli {

struct ShardFlags {
  std::optional<int64_t> num_shards;
  std::optional<int64_t> shard;
  std::vector<std::string> merge;
};

// --shards and --shard, which go together, and --merge, which replaces them and
// all flags that are declared before this call.
void AddShardFlags(FlagSet& flags, ShardFlags* values);

// Valid options, without fields where no part is made; InvalidArgument with the
// flag.
absl::StatusOr<ShardOptions> ShardOptionsOf(const ShardFlags& flags);

}  // namespace moe::cli

#endif  // TOOLS_CLI_SHARD_FLAGS_H_
