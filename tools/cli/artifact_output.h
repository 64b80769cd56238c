// The flags of every command that writes an artifact, and what they ask for.

#ifndef TOOLS_CLI_ARTIFACT_OUTPUT_H_
#define TOOLS_CLI_ARTIFACT_OUTPUT_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/base/json.h"
#include "moe/base/mutation_gate.h"
#include "moe/checkpoint/artifact/artifact_io.h"
#include "moe/text/dataset/load_dataset.h"
#include "tools/cli/command.h"
#include "tools/cli/flag_set.h"

namespace moe::cli {

struct ArtifactFlags {
  std::string save_path;
  std::string format = "safetensors";
  bool overwrite = false;
};

// --save_path, --format, --overwrite. `name` is the artifact's: "gate_weights".
void AddArtifactFlags(FlagSet& flags, absl::string_view name,
                      ArtifactFlags* values);

// Whether the artifact and its report could be written at the end, asked before
// the work. AlreadyExists for one that is there without --overwrite;
// InvalidArgument where --save_path is a file, or something else would be
// replaced; otherwise what the system reports of the directory.
template <typename Artifact>
absl::Status CheckArtifactOutput(const ArtifactFlags& flags);

struct ArtifactPaths {
  std::string artifact;  // SAVE_PATH/gate_weights.safetensors
  std::string pt;        // SAVE_PATH/gate_weights.pt
  std::string report;    // SAVE_PATH/gate_weights.report.json
};
ArtifactPaths PathsOfArtifact(const ArtifactFlags& flags,
                              absl::string_view name);

// Writes the artifact as WriteArtifact does, and beside it the report, to which
// it adds "artifact" and its "sha256" in front. Returns the whole report. An
// older report is gone before the artifact is replaced, so that one never
// stands beside another artifact than its own.
template <typename Artifact>
absl::StatusOr<Json> WriteArtifactAndReport(const Artifact& artifact,
                                            const ArtifactMetadata& metadata,
                                            const Json& report,
                                            const ArtifactFlags& flags);

// Whether the file is a report that says so, in its "artifact".
bool IsReportOf(const std::string& path, absl::string_view name);

// `report` with what the walk went over behind what it has: "num_sequences",
// "num_tokens", "tokens_digest", and the "dataset" that they were drawn from.
Json WithDataset(Json report, const LoadedDataset& dataset);

struct ReportOutput {
  const ArtifactFlags& artifact;
  absl::string_view name;
  bool json = false;
};
// Prints the whole report as JSON, or what was written, with its digest, and
// the step's own text.
void PrintReport(const ReportOutput& output, const Json& report,
                 absl::string_view text, CommandContext& context);

// For that text: "  NAME  VALUE\n", the value in a fixed column.
std::string FormatLine(absl::string_view name, absl::string_view value);

// For that text: what the walk went over, as WithDataset has it, and the
// dataset's report.
std::string FormatDataset(const LoadedDataset& dataset);

// ---- Implementation ----

namespace internal {
absl::Status RemoveReport(const ArtifactPaths& paths);
absl::StatusOr<Json> WriteReport(const ArtifactPaths& paths,
                                 absl::string_view name, const Json& report,
                                 bool overwrite);
absl::Status CheckOutput(
    const ArtifactFlags& flags, absl::string_view name,
    const std::function<bool(const std::string&)>& is_pt_of_artifact);
}  // namespace internal

template <typename Artifact>
absl::Status CheckArtifactOutput(const ArtifactFlags& flags) {
  return internal::CheckOutput(flags, Artifact::kName,
                               [](const std::string& path) {
                                 return ReadArtifact<Artifact>(path).ok();
                               });
}

template <typename Artifact>
absl::StatusOr<Json> WriteArtifactAndReport(const Artifact& artifact,
                                            const ArtifactMetadata& metadata,
                                            const Json& report,
                                            const ArtifactFlags& flags) {
  const ArtifactPaths paths = PathsOfArtifact(flags, Artifact::kName);
  // A signal ends the command before all of it or after.
  const MutationSection section;
  if (flags.overwrite) {
    absl::Status status = internal::RemoveReport(paths);
    if (!status.ok()) return status;
  }
  ArtifactWriteOptions options;
  options.pt = flags.format == "pt";
  options.overwrite = flags.overwrite;
  if (absl::Status status =
          WriteArtifact(artifact, metadata, flags.save_path, options);
      !status.ok()) {
    return status;
  }
  return internal::WriteReport(paths, Artifact::kName, report, flags.overwrite);
}

}  // namespace moe::cli

#endif  // TOOLS_CLI_ARTIFACT_OUTPUT_H_
