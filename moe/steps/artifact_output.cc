#include "moe/steps/artifact_output.h"

#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <system_error>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "moe/base/atomic_write.h"
#include "moe/base/byte_size.h"
#include "moe/base/file_system.h"
#include "moe/base/json.h"
#include "moe/base/random_access_file.h"
#include "moe/base/sha256.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/artifact/pt_bridge.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/safetensors_header.h"
#include "moe/steps/output_options.pb.h"
#include "moe/steps/step_kind.h"
#include "moe/text/dataset/dataset_report.h"
#include "moe/text/dataset/load_dataset.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::steps {
namespace {

absl::Status CheckDirectoryOf(const OutputTarget& file) {
  std::string directory = base::SplitPath(file.path).parent;
  while (!base::PathExists(directory))
    directory = base::SplitPath(directory).parent;
  MOE_RETURN_IF_ERROR(
      base::Annotate(base::ListDirectory(directory).status(), file.flag));
  if (access(directory.c_str(), W_OK) == 0) return absl::OkStatus();
  const int error = errno;
  return absl::ErrnoToStatus(
      error, absl::StrCat(file.flag, ": ", file.path, ": the directory ",
                          directory, " cannot be written to"));
}

absl::Status CheckReplaceable(const OutputTarget& file) {
  std::error_code error;
  const bool is_empty = std::filesystem::is_empty(file.path, error) && !error;
  if (is_empty || file.is_replaceable(file.path)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      file.path, " is no ", file.what,
      ", and --overwrite replaces nothing else; choose another path, or remove "
      "the file yourself"));
}

}  // namespace

absl::Status CheckOutputFile(const OutputTarget& file) {
  if (!base::PathExists(file.path)) return CheckDirectoryOf(file);
  if (base::ListDirectory(file.path).ok()) {
    return absl::InvalidArgumentError(absl::StrCat(
        file.flag, ": expected the name of a file, found ", file.path,
        ", a directory; write to a file in it, such as ", file.path, "/",
        file.example_name));
  }
  if (file.overwrite) {
    MOE_RETURN_IF_ERROR(CheckReplaceable(file));
    return CheckDirectoryOf(file);
  }
  return absl::AlreadyExistsError(absl::StrCat(
      file.path, " already exists; choose another path, or pass --overwrite"));
}

std::function<bool(const std::string&)> SafetensorsWith(std::string key,
                                                        std::string value) {
  return [key = std::move(key),
          value = std::move(value)](const std::string& path) {
    const absl::StatusOr<checkpoint::SafetensorsFile> file =
        checkpoint::SafetensorsFile::Open(path);
    if (!file.ok()) return false;
    const auto entry = file->metadata().find(key);
    return entry != file->metadata().end() && entry->second == value;
  };
}

namespace {

// Longer than the report of any model.
constexpr uint64_t kMaxReportBytes = uint64_t{256} << 20;

}  // namespace

bool IsReportOf(const std::string& path, absl::string_view name) {
  const absl::StatusOr<std::string> text =
      base::ReadFile(path, kMaxReportBytes);
  if (!text.ok()) return false;
  const absl::StatusOr<base::Json> report = base::ParseJsonObject(*text);
  if (!report.ok()) return false;
  const absl::StatusOr<std::string> artifact =
      base::Get<std::string>(*report, "artifact");
  return artifact.ok() && *artifact == name;
}

ArtifactPaths PathsOfArtifact(const ArtifactOutput& output,
                              absl::string_view name) {
  const std::string stem = absl::StrCat(output.save_path(), "/", name);
  return {stem + ".safetensors", stem + ".pt", stem + ".report.json"};
}

namespace internal {

absl::StatusOr<int64_t> ShardBytes(const std::string& max_shard_size) {
  const absl::StatusOr<int64_t> bytes = base::ParseByteSize(max_shard_size);
  if (!bytes.ok()) return base::Annotate(bytes.status(), "--max_shard_size");
  if (*bytes > 0) return bytes;
  return absl::InvalidArgumentError(
      absl::StrCat("--max_shard_size: expected a byte or more, such as 5GB, "
                   "found \"",
                   max_shard_size, "\""));
}

absl::Status CheckOutput(
    const ArtifactOutput& output, absl::string_view name,
    const std::function<bool(const std::string&)>& is_pt_of_artifact) {
  if (output.save_path().empty()) {
    return absl::InvalidArgumentError(
        "--save_path: expected a directory, or the name of a new one, found "
        "nothing");
  }
  if (base::PathExists(output.save_path())) {
    MOE_RETURN_IF_ERROR(base::Annotate(
        base::ListDirectory(output.save_path()).status(),
        "--save_path must be a directory, or the name of a new one"));
  }
  if (output.format() == OutputFormat::PT) {
    MOE_RETURN_IF_ERROR(
        base::Annotate(checkpoint::CheckPtWriter(), "--format=pt"));
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

base::Json WithDataset(base::Json report, const text::LoadedDataset& dataset) {
  const text::TokenSequences& sequences = dataset.batches.sequences();
  report["num_sequences"] = sequences.num_sequences();
  report["num_tokens"] = sequences.num_tokens();
  report["tokens_digest"] = dataset.batches.Digest();
  report["dataset"] = text::DatasetReportToJson(dataset.report);
  return report;
}

std::string FormatLine(absl::string_view name, absl::string_view value) {
  return absl::StrFormat("  %-34s %s\n", name, value);
}

std::string FormatDataset(const text::LoadedDataset& dataset) {
  const text::TokenSequences& sequences = dataset.batches.sequences();
  return absl::StrCat(
      FormatLine("sequences used", absl::StrCat(sequences.num_sequences())),
      FormatLine("tokens used", absl::StrCat(sequences.num_tokens())),
      FormatLine("tokens sha256", dataset.batches.Digest()),
      text::FormatDatasetReport(dataset.report));
}

StepOutcome OutcomeOf(const ArtifactOutput& output, absl::string_view name,
                      const base::Json& report, absl::string_view text) {
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
  if (!base::PathExists(paths.report)) return absl::OkStatus();
  if (base::ListDirectory(paths.report).ok()) {
    return absl::FailedPreconditionError(absl::StrCat(
        paths.report,
        ": expected a file, found a directory; move it away, or choose another "
        "path"));
  }
  base::FileSystem& file_system = base::PosixFileSystem();
  MOE_RETURN_IF_ERROR(file_system.RemoveAll(paths.report));
  return file_system.SyncDirectory(base::SplitPath(paths.report).parent);
}

absl::StatusOr<base::Json> WriteReport(const ArtifactPaths& paths,
                                       absl::string_view name,
                                       const base::Json& report,
                                       bool overwrite) {
  base::Json whole = base::Json::object();
  whole["artifact"] = name;
  MOE_ASSIGN_OR_RETURN(whole["sha256"], base::HexSha256OfFile(paths.artifact));
  whole.update(report);
  const std::string text = base::FormatJson(whole);
  MOE_RETURN_IF_ERROR(base::WriteFileAtomically(
      paths.report, overwrite,
      [&](base::WritableFile& file) { return file.Append(text); }));
  return whole;
}

}  // namespace internal

}  // namespace moe::steps
