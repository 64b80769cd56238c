#include "tools/cli/common_flags.h"

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "moe/base/options/option.pb.h"
#include "moe/base/status_macros.h"
#include "moe/model/walk/shard_options.pb.h"
#include "moe/model/walk/token_shard.h"
#include "moe/steps/walk_session.h"
#include "tools/cli/flag_set.h"

namespace moe::cli {

void AddModelPath(FlagSet& flags, const std::string& what,
                  const std::string& positional, std::string* value) {
  flags.AddString({.names = {steps::kModelPathFlag, kModelPathAlias},
                   .positional = positional,
                   .what = what,
                   .required = true,
                   .path = Option::MODEL_PATH},
                  value);
}

void AddJson(FlagSet& flags, bool* value) {
  flags.AddBool({.names = {"json"}, .what = "print JSON instead of a table"},
                value);
}

void AddMemoryBudget(FlagSet& flags, std::string* value) {
  flags.AddString(
      {.names = {"memory_budget"},
       .what = "memory for weights and activations, such as 2GiB; what "
               "does not fit is read again or spilled to TMPDIR; "
               "without this flag, three quarters of what is "
               "available. No result depends on it"},
      value);
}

void AddShardFlags(FlagSet& flags, ShardFlags* values) {
  flags.AddInt({.names = {"shards"},
                .what = "divide the tokens among this many runs, each of which "
                        "writes a part; needs --shard"},
               {.min = 1, .max = model::kMaxShards}, &values->num_shards);
  flags.AddInt(
      {.names = {"shard"}, .what = "which part to make: 0 to --shards less 1"},
      {.min = 0, .max = model::kMaxShards - 1}, &values->shard);
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
            ? "--shards: expected the number of parts beside --shard, found "
              "none"
            : "--shard: expected the part to make beside --shards, found none");
  }
  ShardOptions options;
  if (!flags.num_shards.has_value()) return options;
  options.set_num_shards(*flags.num_shards);
  options.set_shard(*flags.shard);
  MOE_RETURN_IF_ERROR(model::ValidateShardOptions(options));
  return options;
}

}  // namespace moe::cli
