#include "moe/steps/sharded_sums.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/json.h"
#include "moe/base/progress.h"
#include "moe/base/sha256.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/artifact/artifact_io.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/kernels/numerics_contract.h"
#include "moe/steps/artifact_output.h"
#include "moe/steps/output_options.pb.h"
#include "moe/steps/step_kind.h"

namespace moe::steps::internal {

absl::StatusOr<std::string> InputsDigest(
    absl::string_view step, const checkpoint::Checkpoint& checkpoint,
    const text::LoadedDataset& dataset, absl::Span<const std::string> more,
    base::Progress& progress) {
  MOE_ASSIGN_OR_RETURN(const std::string model,
                       checkpoint::CheckpointDigest(checkpoint, progress));
  return base::HexSha256Of(
      absl::StrCat("contract ", kernels::kNumericsContractVersion, "\nstep ",
                   step, "\nmodel ", model, "\ntokens ",
                   dataset.batches.Digest(), "\n", absl::StrJoin(more, "\n")));
}

absl::Status CheckPartOutput(const StepRequest& request,
                             absl::string_view artifact) {
  const ArtifactOutput& output = request.OutputAs<ArtifactOutput>();
  if (output.format() == OutputFormat::PT) {
    return absl::InvalidArgumentError(
        "--format: expected safetensors for a part, found pt; give it with "
        "--merge");
  }
  return CheckOutputFile(
      {"--save_path",
       checkpoint::PathOfPart(output.save_path(), artifact,
                              request.shard.num_shards(),
                              request.shard.shard()),
       output.overwrite(), absl::StrCat("part of ", artifact),
       absl::StrCat(artifact, ".part-0-of-2.safetensors"),
       SafetensorsWith("artifact", absl::StrCat(artifact, " part"))});
}

absl::StatusOr<StepOutcome> WritePart(const checkpoint::ArtifactPart& part,
                                      const ArtifactOutput& output) {
  MOE_RETURN_IF_ERROR(checkpoint::WriteArtifactPart(part, output.save_path(),
                                                    output.overwrite()));
  const std::string path = checkpoint::PathOfPart(
      output.save_path(), part.artifact, part.num_shards, part.shard);
  MOE_ASSIGN_OR_RETURN(const std::string digest, base::HexSha256OfFile(path));
  return StepOutcome{
      {{"part", path},
       {"artifact", part.artifact},
       {"num_shards", part.num_shards},
       {"shard", part.shard},
       {"inputs_digest", part.inputs_digest},
       {"sha256", digest}},
      absl::StrCat(path, ": part of ", part.artifact, "\n",
                   FormatLine("shard", absl::StrCat(part.shard, " of ",
                                                    part.num_shards)),
                   FormatLine("sha256", digest),
                   FormatLine("inputs sha256", part.inputs_digest))};
}

Origin OriginOfParts(int64_t num_tokens, base::Json parts) {
  const size_t num_parts = parts.size();
  return {{{"num_tokens", num_tokens}, {"parts", std::move(parts)}},
          absl::StrCat(FormatLine("parts merged", absl::StrCat(num_parts)),
                       FormatLine("tokens used", absl::StrCat(num_tokens)))};
}

base::Json PartToJson(const checkpoint::ArtifactPart& part,
                      int64_t num_tokens) {
  return {{"shard", part.shard},
          {"num_tokens", num_tokens},
          {"inputs_digest", part.inputs_digest}};
}

}  // namespace moe::steps::internal
