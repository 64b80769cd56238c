// The flags of every command whose work several machines can share, and what
// tells their parts apart.

#ifndef TOOLS_CLI_SHARD_FLAGS_H_
#define TOOLS_CLI_SHARD_FLAGS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/json.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/artifact/artifact_io.h"
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
template <typename ModelType>
absl::StatusOr<std::string> InputsDigest(absl::string_view step,
                                         WalkSessionOf<ModelType>& session,
                                         absl::Span<const std::string> more);

// Whether the part could be written at the end, asked before the work.
absl::Status CheckPartOutput(const ArtifactFlags& flags,
                             absl::string_view artifact,
                             const ShardOptions& shard);

// What --merge makes of the parts.
template <typename Sums>
struct MergedParts {
  Sums sums;
  ArtifactMetadata metadata;  // As all parts have them.
  Json report;       // {"num_tokens", "parts": [{"shard", "num_tokens",
                     // "inputs_digest"}]}
  std::string text;  // Lines of a table.
};

// Reads and merges the parts of --merge. The errors of ForEachArtifactPart,
// Sums::FromRecords and Sums::Merge.
template <typename Sums>
absl::StatusOr<MergedParts<Sums>> MergeParts(const ShardFlags& flags,
                                             absl::string_view artifact);

// Writes the part and says so.
absl::Status WritePart(const ArtifactPart& part, const ArtifactFlags& flags,
                       bool json, CommandContext& context);

// ---- Implementation ----

namespace internal {
void AddPart(const ArtifactPart& part, int64_t num_tokens, Json& parts);
std::string FormatMerged(size_t num_parts, int64_t num_tokens);
}  // namespace internal

template <typename Sums>
absl::StatusOr<MergedParts<Sums>> MergeParts(const ShardFlags& flags,
                                             absl::string_view artifact) {
  std::optional<Sums> sums;
  ArtifactMetadata metadata;
  Json parts = Json::array();
  const auto add = [&](const ArtifactPart& part) -> absl::Status {
    MOE_ASSIGN_OR_RETURN(Sums of_part, Sums::FromRecords(part.records));
    metadata = part.metadata;
    internal::AddPart(part, of_part.num_tokens(), parts);
    if (sums.has_value()) return sums->Merge(of_part);
    sums = std::move(of_part);
    return absl::OkStatus();
  };
  MOE_RETURN_IF_ERROR(ForEachArtifactPart(flags.merge, artifact, add));
  const int64_t num_tokens = sums->num_tokens();
  const size_t num_parts = parts.size();
  return MergedParts<Sums>{
      *std::move(sums), metadata,
      Json{{"num_tokens", num_tokens}, {"parts", std::move(parts)}},
      internal::FormatMerged(num_parts, num_tokens)};
}

}  // namespace moe::cli

#endif  // TOOLS_CLI_SHARD_FLAGS_H_
