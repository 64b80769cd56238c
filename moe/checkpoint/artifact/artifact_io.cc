#include "moe/checkpoint/artifact/artifact_io.h"

#include <filesystem>
#include <string>
#include <system_error>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/file_system.h"
#include "moe/base/random_access_file.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/artifact/distribution.h"
#include "moe/checkpoint/artifact/file_format.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/checkpoint/artifact/importance_scores.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/checkpoint/artifact/pt_bridge.h"
#include "moe/checkpoint/artifact/pt_value.h"
#include "moe/checkpoint/artifact/scale_factors.h"
#include "moe/checkpoint/safetensors_file.h"

namespace moe {
namespace {

constexpr char kArtifactKey[] = "artifact";

absl::StatusOr<bool> HoldsPt(absl::string_view path) {
  MOE_ASSIGN_OR_RETURN(const RandomAccessFile file,
                       RandomAccessFile::Open(path));
  return IsPtFile(file);
}

// Makes way for a new artifact: nothing has the name `path` afterwards. An
// older
// `.pt` is never beside a newer safetensors file, where the two would disagree
// and nobody would know.
absl::Status RemoveStalePt(const std::string& path, bool overwrite) {
  if (!PathExists(path)) return absl::OkStatus();
  if (!overwrite) {
    return absl::AlreadyExistsError(absl::StrCat(
        path, " already exists; choose another path, or pass --overwrite"));
  }
  std::error_code error;
  const auto type = std::filesystem::symlink_status(path, error).type();
  if (type == std::filesystem::file_type::directory) {
    return absl::FailedPreconditionError(
        absl::StrCat(path,
                     " is a directory, and a file was wanted; move it "
                     "away, or choose another path"));
  }
  FileSystem& file_system = PosixFileSystem();
  MOE_RETURN_IF_ERROR(file_system.RemoveAll(path));
  // Gone for good before the safetensors file is replaced.
  return file_system.SyncDirectory(SplitPath(path).parent);
}

SafetensorsMetadata ToMap(const ArtifactMetadata& metadata,
                          absl::string_view name) {
  return {
      {kArtifactKey, std::string(name)},
      {"seed", absl::StrCat(metadata.seed)},
      {"spec_digest", metadata.spec_digest},
      {"step", metadata.step},
      {"tool_version", metadata.tool_version},
  };
}

// A file that says nothing of its kind, because someone else wrote it, is taken
// by the names of its tensors.
absl::Status CheckKind(const SafetensorsMetadata& metadata,
                       absl::string_view name) {
  const auto kind = metadata.find(kArtifactKey);
  if (kind == metadata.end() || kind->second == name) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("holds the artifact \"",
                                                 kind->second, "\", and \"",
                                                 name, "\" was wanted"));
}

template <typename Artifact>
absl::StatusOr<Artifact> FromSafetensors(const SafetensorsFile& file) {
  MOE_RETURN_IF_ERROR(CheckKind(file.metadata(), Artifact::kName));
  HostTensors tensors;
  for (const SafetensorsTensor& tensor : file.tensors()) {
    MOE_ASSIGN_OR_RETURN(tensors[tensor.spec.name], file.ReadTensor(tensor));
  }
  return Artifact::FromTensors(tensors);
}

}  // namespace

template <typename Artifact>
absl::StatusOr<Artifact> ReadArtifact(absl::string_view path) {
  MOE_ASSIGN_OR_RETURN(const bool is_pt, HoldsPt(path));
  absl::StatusOr<Artifact> artifact = absl::InternalError("not read");
  if (is_pt) {
    MOE_ASSIGN_OR_RETURN(const PtValue value, ReadPtFile(path));
    artifact = Artifact::FromPt(value);
  } else {
    MOE_ASSIGN_OR_RETURN(const SafetensorsFile file,
                         SafetensorsFile::Open(path));
    artifact = FromSafetensors<Artifact>(file);
  }
  if (artifact.ok()) return artifact;
  return Annotate(artifact.status(),
                  absl::StrCat(path, ": as ", Artifact::kName));
}

template <typename Artifact>
absl::Status WriteArtifact(const Artifact& artifact,
                           const ArtifactMetadata& metadata,
                           absl::string_view directory,
                           const ArtifactWriteOptions& options) {
  const std::string stem = absl::StrCat(directory, "/", Artifact::kName);
  const std::string safetensors_path = stem + ".safetensors";
  const std::string pt_path = stem + ".pt";
  MOE_RETURN_IF_ERROR(RemoveStalePt(pt_path, options.overwrite));
  MOE_RETURN_IF_ERROR(WriteSafetensorsFile(
      safetensors_path, artifact.ToTensors(), ToMap(metadata, Artifact::kName),
      options.overwrite));
  if (!options.pt) return absl::OkStatus();
  return WritePtFile(artifact.ToPt(), pt_path, options.overwrite);
}

#define MOE_DEFINE_ARTIFACT_IO_(Artifact)                         \
  template absl::StatusOr<Artifact> ReadArtifact<Artifact>(       \
      absl::string_view path);                                    \
  template absl::Status WriteArtifact<Artifact>(                  \
      const Artifact& artifact, const ArtifactMetadata& metadata, \
      absl::string_view directory, const ArtifactWriteOptions& options)

MOE_DEFINE_ARTIFACT_IO_(GateWeights);
MOE_DEFINE_ARTIFACT_IO_(ImportanceScores);
MOE_DEFINE_ARTIFACT_IO_(NeuronIndices);
MOE_DEFINE_ARTIFACT_IO_(Distribution);
MOE_DEFINE_ARTIFACT_IO_(ScaleFactors);

#undef MOE_DEFINE_ARTIFACT_IO_

}  // namespace moe
