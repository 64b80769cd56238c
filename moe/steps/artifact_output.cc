#include "moe/steps/artifact_output.h"

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "moe/base/atomic_write.h"
#include "moe/base/file_system.h"
#include "moe/base/json.h"
#include "moe/base/random_access_file.h"
#include "moe/base/sha256.h"
#include "moe/base/status_macros.h"
#include "moe/steps/output_options.pb.h"
#include "moe/steps/output_path.h"
#include "moe/steps/step_kind.h"
#include "moe/text/dataset/dataset_report.h"
#include "moe/text/dataset/load_dataset.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe {
namespace {

// Longer than the report of any model.
constexpr uint64_t kMaxReportBytes = uint64_t{256} << 20;

}  // namespace

bool IsReportOf(const std::string& path, absl::string_view name) {
  const absl::StatusOr<std::string> text = ReadFile(path, kMaxReportBytes);
  if (!text.ok()) return false;
  const absl::StatusOr<Json> report = ParseJsonObject(*text);
  if (!report.ok()) return false;
  const absl::StatusOr<std::string> artifact =
      Get<std::string>(*report, "artifact");
  return artifact.ok() && *artifact == name;
}

ArtifactPaths PathsOfArtifact(const ArtifactOutput& output,
                              absl::string_view name) {
  const std::string stem = absl::StrCat(output.save_path(), "/", name);
  return {stem + ".safetensors", stem + ".pt", stem + ".report.json"};
}

namespace internal {

absl::Status CheckOutput(
    const ArtifactOutput& output, absl::string_view name,
    const std::function<bool(const std::string&)>& is_pt_of_artifact) {
  if (output.save_path().empty()) {
    return absl::InvalidArgumentError(
        "--save_path is empty; wanted is a directory, or the name of a new "
        "one");
  }
  if (PathExists(output.save_path())) {
    MOE_RETURN_IF_ERROR(
        Annotate(ListDirectory(output.save_path()).status(),
                 "--save_path must be a directory, or the name of a new one"));
  }
  const ArtifactPaths paths = PathsOfArtifact(output, name);
  const std::string what(name);
  MOE_RETURN_IF_ERROR(CheckOutputFile(
      {"--save_path", paths.artifact, output.overwrite(),
       absl::StrCat(name, " artifact"), absl::StrCat(name, ".safetensors"),
       SafetensorsWith("artifact", what)}));
  MOE_RETURN_IF_ERROR(
      CheckOutputFile({"--save_path", paths.pt, output.overwrite(),
                       absl::StrCat(name, " artifact"),
                       absl::StrCat(name, ".pt"), is_pt_of_artifact}));
  return CheckOutputFile(
      {"--save_path", paths.report, output.overwrite(),
       absl::StrCat("report of ", name), absl::StrCat(name, ".report.json"),
       [what](const std::string& path) { return IsReportOf(path, what); }});
}

}  // namespace internal

Json WithDataset(Json report, const LoadedDataset& dataset) {
  const TokenSequences& sequences = dataset.batches.sequences();
  report["num_sequences"] = sequences.num_sequences();
  report["num_tokens"] = sequences.num_tokens();
  report["tokens_digest"] = dataset.batches.Digest();
  report["dataset"] = DatasetReportToJson(dataset.report);
  return report;
}

std::string FormatLine(absl::string_view name, absl::string_view value) {
  return absl::StrFormat("  %-34s %s\n", name, value);
}

std::string FormatDataset(const LoadedDataset& dataset) {
  const TokenSequences& sequences = dataset.batches.sequences();
  return absl::StrCat(
      FormatLine("sequences used", absl::StrCat(sequences.num_sequences())),
      FormatLine("tokens used", absl::StrCat(sequences.num_tokens())),
      FormatLine("tokens sha256", dataset.batches.Digest()),
      FormatDatasetReport(dataset.report));
}

StepOutcome OutcomeOf(const ArtifactOutput& output, absl::string_view name,
                      const Json& report, absl::string_view text) {
  const ArtifactPaths paths = PathsOfArtifact(output, name);
  const bool has_pt = output.format() == OutputFormat::PT;
  return {report, absl::StrCat(
                      paths.artifact, ": ", name, "\n",
                      FormatLine("sha256", report["sha256"].get<std::string>()),
                      text, has_pt ? paths.pt : "", has_pt ? "\n" : "",
                      paths.report, ": report\n")};
}

namespace internal {

absl::Status RemoveReport(const ArtifactPaths& paths) {
  if (!PathExists(paths.report)) return absl::OkStatus();
  if (ListDirectory(paths.report).ok()) {
    return absl::FailedPreconditionError(absl::StrCat(
        paths.report,
        " is a directory, and a file was wanted; move it away, or choose "
        "another path"));
  }
  FileSystem& file_system = PosixFileSystem();
  MOE_RETURN_IF_ERROR(file_system.RemoveAll(paths.report));
  return file_system.SyncDirectory(SplitPath(paths.report).parent);
}

absl::StatusOr<Json> WriteReport(const ArtifactPaths& paths,
                                 absl::string_view name, const Json& report,
                                 bool overwrite) {
  Json whole = Json::object();
  whole["artifact"] = name;
  MOE_ASSIGN_OR_RETURN(whole["sha256"], HexSha256OfFile(paths.artifact));
  whole.update(report);
  const std::string text = FormatJson(whole);
  MOE_RETURN_IF_ERROR(WriteFileAtomically(
      paths.report, overwrite,
      [&](WritableFile& file) { return file.Append(text); }));
  return whole;
}

}  // namespace internal
}  // namespace moe
