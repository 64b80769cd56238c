// The skeleton of a step whose artifact follows from exact sums over tokens:
// one run sums all tokens, or each of several a shard of them, and the artifact
// of the merged parts has the very bytes of that of a single run.
//
// What a step adds:
//
//   struct Step {
//     using Artifact = ...;   // What it makes.
//     using Sums = ...;       // ToRecords, FromRecords, Merge, num_tokens.
//     using ModelType = ...;  // DenseModel or Model.
//     // Reads what there is beside model and dataset, before these are read.
//     static absl::StatusOr<Step> Prepare(const StepRequest& request);
//     // Digests of that.
//     std::vector<std::string> Digests() const;
//     absl::StatusOr<Sums> Sum(WalkSessionOf<ModelType>& session,
//                              const ShardOptions& shard) const;
//     static absl::StatusOr<Finished<Artifact>> Finish(const Sums& sums);
//   };

#ifndef MOE_STEPS_SHARDED_SUMS_H_
#define MOE_STEPS_SHARDED_SUMS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/json.h"
#include "moe/base/progress.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/artifact/artifact_io.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/model/walk/shard_options.pb.h"
#include "moe/model/walk/token_shard.h"
#include "moe/steps/artifact_output.h"
#include "moe/steps/output_options.pb.h"
#include "moe/steps/step_kind.h"
#include "moe/steps/walk_session.h"

namespace moe::steps {

template <typename Artifact>
struct Finished {
  Artifact artifact;
  base::Json report;
  std::string text;
};

template <typename Step>
absl::StatusOr<StepOutcome> RunSharded(const StepRequest& request,
                                       base::Progress& progress);

// ---- Implementation ----

namespace internal {

// What stands in the report beside that of the artifact, and in its table.
struct Origin {
  base::Json report;
  std::string text;
};

// SHA-256, in hexadecimal, of what the sums of a step depend on: the numerics
// contract's version, the step, the model's bytes, the tokens, and `more`.
// Reads the whole model.
absl::StatusOr<std::string> InputsDigest(
    absl::string_view step, const checkpoint::Checkpoint& checkpoint,
    const text::LoadedDataset& dataset, absl::Span<const std::string> more,
    base::Progress& progress);

// Whether the part could be written at the end, asked before the work.
absl::Status CheckPartOutput(const StepRequest& request,
                             absl::string_view artifact);

absl::StatusOr<StepOutcome> WritePart(const checkpoint::ArtifactPart& part,
                                      const ArtifactOutput& output);

// {"num_tokens", "parts": [{"shard", "num_tokens", "inputs_digest"}]}
Origin OriginOfParts(int64_t num_tokens, base::Json parts);
base::Json PartToJson(const checkpoint::ArtifactPart& part, int64_t num_tokens);

template <typename Step>
absl::StatusOr<StepOutcome> Finish(const typename Step::Sums& sums,
                                   const Origin& origin,
                                   const checkpoint::ArtifactMetadata& metadata,
                                   const ArtifactOutput& output) {
  using Artifact = typename Step::Artifact;
  MOE_ASSIGN_OR_RETURN(Finished<Artifact> finished, Step::Finish(sums));
  finished.report.update(origin.report);
  MOE_ASSIGN_OR_RETURN(const base::Json report,
                       WriteArtifactAndReport(finished.artifact, metadata,
                                              finished.report, output));
  return OutcomeOf(output, Artifact::kName, report,
                   absl::StrCat(origin.text, finished.text));
}

// The errors of ForEachArtifactPart, Sums::FromRecords and Sums::Merge.
template <typename Step>
absl::StatusOr<StepOutcome> Merge(const StepRequest& request) {
  using Artifact = typename Step::Artifact;
  using Sums = typename Step::Sums;
  const ArtifactOutput& output = request.OutputAs<ArtifactOutput>();
  MOE_RETURN_IF_ERROR(CheckArtifactOutput<Artifact>(output));
  std::optional<Sums> sums;
  checkpoint::ArtifactMetadata metadata;
  base::Json parts = base::Json::array();
  const auto add = [&](const checkpoint::ArtifactPart& part) -> absl::Status {
    MOE_ASSIGN_OR_RETURN(Sums of_part, Sums::FromRecords(part.records));
    metadata = part.metadata;
    parts.push_back(PartToJson(part, of_part.num_tokens()));
    if (sums.has_value()) return sums->Merge(of_part);
    sums = std::move(of_part);
    return absl::OkStatus();
  };
  MOE_RETURN_IF_ERROR(
      checkpoint::ForEachArtifactPart(request.merge, Artifact::kName, add));
  const Origin origin = OriginOfParts(sums->num_tokens(), std::move(parts));
  return Finish<Step>(*sums, origin, metadata, output);
}

}  // namespace internal

template <typename Step>
absl::StatusOr<StepOutcome> RunSharded(const StepRequest& request,
                                       base::Progress& progress) {
  using Artifact = typename Step::Artifact;
  using Session = WalkSessionOf<typename Step::ModelType>;
  if (!request.merge.empty()) return internal::Merge<Step>(request);
  const ArtifactOutput& output = request.OutputAs<ArtifactOutput>();
  const bool makes_part = request.shard.has_num_shards();
  MOE_RETURN_IF_ERROR(model::ValidateShardOptions(request.shard));
  MOE_RETURN_IF_ERROR(makes_part
                          ? internal::CheckPartOutput(request, Artifact::kName)
                          : CheckArtifactOutput<Artifact>(output));
  MOE_ASSIGN_OR_RETURN(const Step step, Step::Prepare(request));
  MOE_ASSIGN_OR_RETURN(const std::unique_ptr<Session> session,
                       Session::Open(request, progress));
  std::string digest;
  if (makes_part) {
    MOE_ASSIGN_OR_RETURN(digest,
                         internal::InputsDigest(
                             request.kind->name, session->model().checkpoint(),
                             session->dataset(), step.Digests(), progress));
  }
  MOE_ASSIGN_OR_RETURN(const typename Step::Sums sums,
                       step.Sum(*session, request.shard));
  const checkpoint::ArtifactMetadata metadata =
      MetadataOf(request, request.batch.seed());
  if (makes_part) {
    return internal::WritePart(
        {std::string(Artifact::kName), digest, request.shard.num_shards(),
         request.shard.shard(), metadata, sums.ToRecords()},
        output);
  }
  return internal::Finish<Step>(
      sums,
      {WithDataset(base::Json::object(), session->dataset()),
       FormatDataset(session->dataset())},
      metadata, output);
}

}  // namespace moe::steps

#endif  // MOE_STEPS_SHARDED_SUMS_H_
