#include "moe/checkpoint/artifact/artifact_io.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/file_system.h"
#include "moe/base/random_access_file.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/artifact/distribution.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/checkpoint/artifact/importance_scores.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/checkpoint/artifact/pt_bridge.h"
#include "moe/checkpoint/artifact/pt_value.h"
#include "moe/checkpoint/artifact/scale_factors.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/safetensors_header.h"
#include "moe/checkpoint/tensor.h"

namespace moe::checkpoint {
namespace {

constexpr char kArtifactKey[] = "artifact";

absl::StatusOr<bool> HoldsPt(absl::string_view path) {
  MOE_ASSIGN_OR_RETURN(const base::RandomAccessFile file,
                       base::RandomAccessFile::Open(path));
  return IsPtFile(file);
}

// Removes an older `.pt` before a new artifact is written, so that it never
// lies beside a newer safetensors file with other contents.
absl::Status RemoveStalePt(const std::string& path, bool overwrite) {
  if (!base::PathExists(path)) return absl::OkStatus();
  if (!overwrite) {
    return absl::AlreadyExistsError(absl::StrCat(
        path, " already exists; choose another path, or pass --overwrite"));
  }
  std::error_code error;
  const auto type = std::filesystem::symlink_status(path, error).type();
  if (type == std::filesystem::file_type::directory) {
    return absl::FailedPreconditionError(
        absl::StrCat(path,
                     ": expected a file, found a directory; move it away, or "
                     "choose another path"));
  }
  base::FileSystem& file_system = base::PosixFileSystem();
  MOE_RETURN_IF_ERROR(file_system.RemoveAll(path));
  // Gone for good before the safetensors file is replaced.
  return file_system.SyncDirectory(base::SplitPath(path).parent);
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

// A file of another writer may not say its kind. It is accepted if the names of
// its tensors fit.
absl::Status CheckKind(const SafetensorsMetadata& metadata,
                       absl::string_view name) {
  const auto kind = metadata.find(kArtifactKey);
  if (kind == metadata.end() || kind->second == name) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "expected the artifact \"", name, "\", found \"", kind->second, "\""));
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
  return base::Annotate(artifact.status(),
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

namespace {

std::string KindOf(absl::string_view artifact) {
  return absl::StrCat(artifact, " part");
}

absl::StatusOr<std::string> Entry(const SafetensorsMetadata& metadata,
                                  const std::string& key) {
  const auto found = metadata.find(key);
  if (found != metadata.end()) return found->second;
  return absl::InvalidArgumentError(
      absl::StrCat("metadata: expected \"", key, "\", found none"));
}

template <typename Int>
absl::StatusOr<Int> IntEntry(const SafetensorsMetadata& metadata,
                             const std::string& key) {
  MOE_ASSIGN_OR_RETURN(const std::string text, Entry(metadata, key));
  Int value = 0;
  if (absl::SimpleAtoi(text, &value)) return value;
  return absl::InvalidArgumentError(absl::StrCat(
      "metadata: ", key, ": expected a number, found \"", text, "\""));
}

// All but the records.
absl::StatusOr<ArtifactPart> FromMetadata(const SafetensorsMetadata& metadata,
                                          absl::string_view artifact) {
  const auto kind = metadata.find("artifact");
  if (kind == metadata.end() || kind->second != KindOf(artifact)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected a part of ", artifact,
        ", as --shards and --shard make it, found ",
        kind == metadata.end() ? "a file that does not say what it holds"
                               : absl::StrCat("\"", kind->second, "\"")));
  }
  ArtifactPart part;
  part.artifact = std::string(artifact);
  MOE_ASSIGN_OR_RETURN(part.inputs_digest, Entry(metadata, "inputs_digest"));
  MOE_ASSIGN_OR_RETURN(part.num_shards,
                       IntEntry<int64_t>(metadata, "num_shards"));
  MOE_ASSIGN_OR_RETURN(part.shard, IntEntry<int64_t>(metadata, "shard"));
  MOE_ASSIGN_OR_RETURN(part.metadata.tool_version,
                       Entry(metadata, "tool_version"));
  MOE_ASSIGN_OR_RETURN(part.metadata.step, Entry(metadata, "step"));
  MOE_ASSIGN_OR_RETURN(part.metadata.spec_digest,
                       Entry(metadata, "spec_digest"));
  MOE_ASSIGN_OR_RETURN(part.metadata.seed,
                       IntEntry<uint64_t>(metadata, "seed"));
  if (part.shard < 0 || part.shard >= part.num_shards) {
    return absl::InvalidArgumentError(
        absl::StrCat("metadata: shard: expected 0 to ", part.num_shards - 1,
                     ", found ", part.shard));
  }
  return part;
}

absl::StatusOr<ArtifactPart> ReadPart(const SafetensorsFile& file,
                                      absl::string_view artifact) {
  MOE_ASSIGN_OR_RETURN(ArtifactPart part,
                       FromMetadata(file.metadata(), artifact));
  for (const SafetensorsTensor& tensor : file.tensors()) {
    if (tensor.spec.dtype != Dtype::kU8) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor \"", tensor.spec.name, "\": expected U8, found ",
                       DtypeName(tensor.spec.dtype)));
    }
    MOE_ASSIGN_OR_RETURN(const HostTensor values, file.ReadTensor(tensor));
    part.records[tensor.spec.name].assign(values.bytes.begin(),
                                          values.bytes.end());
  }
  return part;
}

// The metadata of a file.
absl::StatusOr<ArtifactPart> ReadHeader(const std::string& path,
                                        absl::string_view artifact) {
  MOE_ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(path));
  absl::StatusOr<ArtifactPart> part = FromMetadata(file.metadata(), artifact);
  if (part.ok()) return part;
  return base::Annotate(part.status(), path);
}

absl::Status CheckBelongTogether(const ArtifactPart& a, const ArtifactPart& b,
                                 absl::string_view path_of_a,
                                 absl::string_view path_of_b) {
  std::string what;
  if (a.num_shards != b.num_shards) {
    what = absl::StrCat("one of ", a.num_shards, " shards and one of ",
                        b.num_shards);
  } else if (a.inputs_digest != b.inputs_digest) {
    what = absl::StrCat("different inputs, ", a.inputs_digest, " and ",
                        b.inputs_digest,
                        ": the model, the dataset, the router weights or a "
                        "flag differs");
  } else if (!(a.metadata == b.metadata)) {
    what = "different versions, steps or seeds";
  } else {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat(path_of_a, " and ", path_of_b,
                   ": expected parts of the same artifact, found ", what));
}

absl::Status CheckComplete(absl::Span<const ArtifactPart> parts,
                           absl::Span<const std::string> paths) {
  const int64_t num_shards = parts.front().num_shards;
  std::map<int64_t, const std::string*> path_of;
  for (size_t i = 0; i < parts.size(); ++i) {
    MOE_RETURN_IF_ERROR(
        CheckBelongTogether(parts.front(), parts[i], paths.front(), paths[i]));
    const auto [there, is_new] = path_of.emplace(parts[i].shard, &paths[i]);
    if (!is_new) {
      return absl::InvalidArgumentError(
          absl::StrCat(*there->second, " and ", paths[i],
                       ": expected different shards, found shard ",
                       parts[i].shard, " of ", num_shards, " in both"));
    }
  }
  if (static_cast<int64_t>(path_of.size()) == num_shards) {
    return absl::OkStatus();
  }
  int64_t missing = 0;
  while (path_of.contains(missing)) ++missing;
  return absl::InvalidArgumentError(absl::StrCat(
      "expected ", num_shards, " parts, found ", path_of.size(), ": shard ",
      missing, " is missing; make it with --shards=", num_shards,
      " --shard=", missing));
}

}  // namespace

std::string PathOfPart(absl::string_view directory, absl::string_view artifact,
                       int64_t num_shards, int64_t shard) {
  return absl::StrCat(directory, "/", artifact, ".part-", shard, "-of-",
                      num_shards, ".safetensors");
}

absl::Status WriteArtifactPart(const ArtifactPart& part,
                               absl::string_view directory, bool overwrite) {
  HostTensors tensors;
  for (const auto& [name, bytes] : part.records) {
    HostTensor& tensor = tensors[name];
    tensor.dtype = Dtype::kU8;
    tensor.shape = {static_cast<int64_t>(bytes.size())};
    tensor.bytes.assign(bytes.begin(), bytes.end());
  }
  const SafetensorsMetadata metadata = {
      {"artifact", KindOf(part.artifact)},
      {"inputs_digest", part.inputs_digest},
      {"num_shards", absl::StrCat(part.num_shards)},
      {"seed", absl::StrCat(part.metadata.seed)},
      {"shard", absl::StrCat(part.shard)},
      {"spec_digest", part.metadata.spec_digest},
      {"step", part.metadata.step},
      {"tool_version", part.metadata.tool_version},
  };
  return WriteSafetensorsFile(
      PathOfPart(directory, part.artifact, part.num_shards, part.shard),
      tensors, metadata, overwrite);
}

absl::StatusOr<ArtifactPart> ReadArtifactPart(absl::string_view path,
                                              absl::string_view artifact) {
  MOE_ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(path));
  absl::StatusOr<ArtifactPart> part = ReadPart(file, artifact);
  if (part.ok()) return part;
  return base::Annotate(part.status(), path);
}

absl::Status ForEachArtifactPart(
    absl::Span<const std::string> paths, absl::string_view artifact,
    absl::FunctionRef<absl::Status(const ArtifactPart&)> body) {
  if (paths.empty()) {
    return absl::InvalidArgumentError("expected parts to merge, found none");
  }
  std::vector<ArtifactPart> headers;
  for (const std::string& path : paths) {
    MOE_ASSIGN_OR_RETURN(headers.emplace_back(), ReadHeader(path, artifact));
  }
  MOE_RETURN_IF_ERROR(CheckComplete(headers, paths));
  for (const std::string& path : paths) {
    MOE_ASSIGN_OR_RETURN(const ArtifactPart part,
                         ReadArtifactPart(path, artifact));
    MOE_RETURN_IF_ERROR(base::Annotate(body(part), path));
  }
  return absl::OkStatus();
}

}  // namespace moe::checkpoint
