#include "tools/cli/shard_flags.h"

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/json.h"
#include "moe/base/sha256.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/artifact/artifact_part.h"
#include "moe/checkpoint/checkpoint_digest.h"
#include "moe/kernels/numerics_contract.h"
#include "moe/model/walk/dense_model.h"
#include "moe/model/walk/model.h"
#include "moe/model/walk/shard_options.pb.h"
#include "moe/model/walk/token_shard.h"
#include "tools/cli/artifact_output.h"
#include "tools/cli/command.h"
#include "tools/cli/flag_set.h"
#include "tools/cli/output_path.h"
#include "tools/cli/walk_session.h"

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
                    .path = PathRole::kInput},
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

template <typename ModelType>
absl::StatusOr<std::string> InputsDigest(absl::string_view step,
                                         WalkSessionOf<ModelType>& session,
                                         absl::Span<const std::string> more) {
  MOE_ASSIGN_OR_RETURN(const std::string model,
                       CheckpointDigest(session.model().checkpoint(),
                                        session.resources().progress));
  return HexSha256Of(absl::StrCat(
      "contract ", kNumericsContractVersion, "\nstep ", step, "\nmodel ", model,
      "\ntokens ", session.dataset().batches.Digest(), "\n",
      absl::StrJoin(more, "\n")));
}

template absl::StatusOr<std::string> InputsDigest(
    absl::string_view, WalkSessionOf<DenseModel>&,
    absl::Span<const std::string>);
template absl::StatusOr<std::string> InputsDigest(
    absl::string_view, WalkSessionOf<Model>&, absl::Span<const std::string>);

namespace internal {

void AddPart(const ArtifactPart& part, int64_t num_tokens, Json& parts) {
  parts.push_back({{"shard", part.shard},
                   {"num_tokens", num_tokens},
                   {"inputs_digest", part.inputs_digest}});
}

std::string FormatMerged(size_t num_parts, int64_t num_tokens) {
  return absl::StrCat(FormatLine("parts merged", absl::StrCat(num_parts)),
                      FormatLine("tokens used", absl::StrCat(num_tokens)));
}

}  // namespace internal

absl::Status CheckPartOutput(const ArtifactFlags& flags,
                             absl::string_view artifact,
                             const ShardOptions& shard) {
  if (flags.format != "safetensors") {
    return absl::InvalidArgumentError(
        "--format is pt, and parts are safetensors only; give it with --merge");
  }
  return CheckOutputFile(
      {"--save_path",
       PathOfPart(flags.save_path, artifact, NumShards(shard), shard.shard()),
       flags.overwrite, absl::StrCat("part of ", artifact),
       absl::StrCat(artifact, ".part-0-of-2.safetensors"),
       SafetensorsWith("artifact", absl::StrCat(artifact, " part"))});
}

absl::Status WritePart(const ArtifactPart& part, const ArtifactFlags& flags,
                       bool json, CommandContext& context) {
  MOE_RETURN_IF_ERROR(
      WriteArtifactPart(part, flags.save_path, flags.overwrite));
  const std::string path =
      PathOfPart(flags.save_path, part.artifact, part.num_shards, part.shard);
  MOE_ASSIGN_OR_RETURN(const std::string digest, HexSha256OfFile(path));
  if (json) {
    context.out << FormatJson({{"part", path},
                               {"artifact", part.artifact},
                               {"num_shards", part.num_shards},
                               {"shard", part.shard},
                               {"inputs_digest", part.inputs_digest},
                               {"sha256", digest}});
    return absl::OkStatus();
  }
  context.out << path << ": part of " << part.artifact << "\n"
              << FormatLine("shard",
                            absl::StrCat(part.shard, " of ", part.num_shards))
              << FormatLine("sha256", digest)
              << FormatLine("inputs sha256", part.inputs_digest);
  return absl::OkStatus();
}

}  // namespace moe::cli
