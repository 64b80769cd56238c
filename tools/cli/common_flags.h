// Flags that several commands have. They are declared in one place, so that
// they read and mean the same everywhere.

#ifndef TOOLS_CLI_COMMON_FLAGS_H_
#define TOOLS_CLI_COMMON_FLAGS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "moe/model/walk/shard_options.pb.h"
#include "tools/cli/flag_set.h"

namespace moe::cli {

inline constexpr char kModelPathAlias[] = "model_name_or_path";

// --model_path, alias --model_name_or_path, required. If `positional` is not
// empty, the value may also be given without the flag, under that name.
void AddModelPath(FlagSet& flags, const std::string& what,
                  const std::string& positional, std::string* value);

// --json
void AddJson(FlagSet& flags, bool* value);

// --memory_budget; see MemoryBudgetOf.
void AddMemoryBudget(FlagSet& flags, std::string* value);

struct ShardFlags {
  std::optional<int64_t> num_shards;
  std::optional<int64_t> shard;
  std::vector<std::string> merge;
};

// --shards and --shard, which need each other, and --merge, which replaces them
// and all flags that are declared before this call.
void AddShardFlags(FlagSet& flags, ShardFlags* values);

// Returns valid options. They have no fields if the step does not make a part.
// InvalidArgument names the flag.
absl::StatusOr<ShardOptions> ShardOptionsOf(const ShardFlags& flags);

}  // namespace moe::cli

#endif  // TOOLS_CLI_COMMON_FLAGS_H_
