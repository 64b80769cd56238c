// Writes a step's outputs. Whether they could be written is asked before hours
// of work.

#ifndef MOE_STEPS_ARTIFACT_OUTPUT_H_
#define MOE_STEPS_ARTIFACT_OUTPUT_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/base/json.h"
#include "moe/base/mutation_gate.h"
#include "moe/checkpoint/artifact/artifact_io.h"
#include "moe/convert/conversion_plan.h"
#include "moe/steps/output_options.pb.h"
#include "moe/steps/step_kind.h"
#include "moe/text/dataset/load_dataset.h"

namespace moe::steps {

struct OutputTarget {
  std::string flag;  // "--save_path"
  std::string path;
  bool overwrite = false;
  // What the file is, "token artifact", and an example of its name.
  std::string what;
  std::string example_name;
  // Whether the file at a path is such a file. `overwrite` replaces nothing
  // else, so that a mistyped path costs nobody a dataset or a model.
  std::function<bool(const std::string& path)> is_replaceable;
};

// OK if the file could be written. Missing directories are made later, in the
// nearest one that is there.
// InvalidArgument if the path is a directory, or a file of another kind that
// would be replaced; AlreadyExists if there is a file and `overwrite` is not
// set; otherwise what the system reports of the directory.
absl::Status CheckOutputFile(const OutputTarget& file);

// For is_replaceable: a safetensors file whose metadata have this entry.
std::function<bool(const std::string&)> SafetensorsWith(std::string key,
                                                        std::string value);

// Whether the artifact and its report could be written at the end, asked before
// the work. AlreadyExists for one that is there without --overwrite;
// InvalidArgument where --save_path is a file, or something else would be
// replaced; otherwise what the system reports of the directory.
template <typename Artifact>
absl::Status CheckArtifactOutput(const ArtifactOutput& output);

// Who made an artifact, for its metadata.
inline checkpoint::ArtifactMetadata MetadataOf(const StepRequest& request,
                                               int64_t seed) {
  return {kToolVersion, request.kind->name, /*spec_digest=*/"",
          static_cast<uint64_t>(seed)};
}

struct ArtifactPaths {
  std::string artifact;  // SAVE_PATH/gate_weights.safetensors
  std::string pt;        // SAVE_PATH/gate_weights.pt
  std::string report;    // SAVE_PATH/gate_weights.report.json
};
ArtifactPaths PathsOfArtifact(const ArtifactOutput& output,
                              absl::string_view name);

// Writes the artifact as WriteArtifact does, and beside it the report, to which
// it adds "artifact" and its "sha256" in front. Returns the whole report. An
// older report is gone before the artifact is replaced, so that one never
// stands beside another artifact than its own.
template <typename Artifact>
absl::StatusOr<base::Json> WriteArtifactAndReport(
    const Artifact& artifact, const checkpoint::ArtifactMetadata& metadata,
    const base::Json& report, const ArtifactOutput& output);

// The output of a step that writes a checkpoint: a CheckpointOutput, or a
// message with the same fields. InvalidArgument, with the flag, if
// max_shard_size is no size or 0.
template <typename Output>
absl::StatusOr<convert::ConversionOutput> ConversionOutputOf(
    const Output& output);

// Whether the file is a report whose "artifact" is `name`.
bool IsReportOf(const std::string& path, absl::string_view name);

// `report` with what the walk went over behind what it has: "num_sequences",
// "num_tokens", "tokens_digest", and the "dataset" that they were drawn from.
base::Json WithDataset(base::Json report, const text::LoadedDataset& dataset);

// What was written, with its digest, and `text`, the step's own.
StepOutcome OutcomeOf(const ArtifactOutput& output, absl::string_view name,
                      const base::Json& report, absl::string_view text);

// For that text: "  NAME  VALUE\n", the value in a fixed column.
std::string FormatLine(absl::string_view name, absl::string_view value);

// For that text: what the walk went over, as WithDataset has it, and the
// dataset's report.
std::string FormatDataset(const text::LoadedDataset& dataset);

// ---- Implementation ----

namespace internal {
absl::StatusOr<int64_t> ShardBytes(const std::string& max_shard_size);
absl::Status RemoveReport(const ArtifactPaths& paths);
absl::StatusOr<base::Json> WriteReport(const ArtifactPaths& paths,
                                       absl::string_view name,
                                       const base::Json& report,
                                       bool overwrite);
absl::Status CheckOutput(
    const ArtifactOutput& output, absl::string_view name,
    const std::function<bool(const std::string&)>& is_pt_of_artifact);
}  // namespace internal

template <typename Output>
absl::StatusOr<convert::ConversionOutput> ConversionOutputOf(
    const Output& output) {
  convert::ConversionOutput checkpoint = {output.save_path(),
                                          output.overwrite()};
  if (output.has_max_shard_size()) {
    const absl::StatusOr<int64_t> bytes =
        internal::ShardBytes(output.max_shard_size());
    if (!bytes.ok()) return bytes.status();
    checkpoint.max_shard_bytes = *bytes;
  }
  return checkpoint;
}

template <typename Artifact>
absl::Status CheckArtifactOutput(const ArtifactOutput& output) {
  return internal::CheckOutput(
      output, Artifact::kName, [](const std::string& path) {
        return checkpoint::ReadArtifact<Artifact>(path).ok();
      });
}

template <typename Artifact>
absl::StatusOr<base::Json> WriteArtifactAndReport(
    const Artifact& artifact, const checkpoint::ArtifactMetadata& metadata,
    const base::Json& report, const ArtifactOutput& output) {
  const ArtifactPaths paths = PathsOfArtifact(output, Artifact::kName);
  // A signal ends the command before all of it or after.
  const base::MutationSection section;
  if (output.overwrite()) {
    absl::Status status = internal::RemoveReport(paths);
    if (!status.ok()) return status;
  }
  checkpoint::ArtifactWriteOptions options;
  options.pt = output.format() == OutputFormat::PT;
  options.overwrite = output.overwrite();
  if (absl::Status status = checkpoint::WriteArtifact(
          artifact, metadata, output.save_path(), options);
      !status.ok()) {
    return status;
  }
  return internal::WriteReport(paths, Artifact::kName, report,
                               output.overwrite());
}

}  // namespace moe::steps

#endif  // MOE_STEPS_ARTIFACT_OUTPUT_H_
