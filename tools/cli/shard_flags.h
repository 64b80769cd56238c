// The flags of every command whose work several machines can share, and what
// tells their parts apart.

#ifndef TOOLS_CLI_SHARD_FLAGS_H_
#define TOOLS_CLI_SHARD_FLAGS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/checkpoint/artifact/artifact_part.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/model/walk/shard_options.pb.h"
#include "tools/cli/artifact_output.h"
#include "tools/cli/command.h"
#include "tools/cli/flag_set.h"
#include "tools/cli/walk_session.h"

namespace moe::cli {

struct ShardFlags {
  std::optional<int64_t> num_shards;
  std::optional<int64_t> shard;
  std::vector<std::string> merge;

  bool makes_part() const { return num_shards.has_value(); }
  bool merges() const { return !merge.empty(); }
};

// --shards and --shard, which go together, and --merge, which replaces them and
// all flags that are declared before this call.
void AddShardFlags(FlagSet& flags, ShardFlags* values);

// Valid options, or InvalidArgument with the flag.
absl::StatusOr<ShardOptions> ShardOptionsOf(const ShardFlags& flags);

// SHA-256, in hexadecimal, of what the sums of a step depend on: the numerics
// contract's version, the step, the model's bytes, the tokens, and what the
// step itself adds. Reads the whole model.
absl::StatusOr<std::string> InputsDigest(absl::string_view step,
                                         WalkSession& session,
                                         absl::Span<const std::string> more);

// Whether the part could be written at the end, asked before the work.
absl::Status CheckPartOutput(const ArtifactFlags& flags,
                             absl::string_view artifact,
                             const ShardOptions& shard);

// Writes the part and says so.
absl::Status WritePart(const ArtifactPart& part, const ArtifactFlags& flags,
                       bool json, CommandContext& context);

}  // namespace moe::cli

#endif  // TOOLS_CLI_SHARD_FLAGS_H_
