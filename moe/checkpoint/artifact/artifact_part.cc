#include "moe/checkpoint/artifact/artifact_part.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/artifact/artifact_io.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/safetensors_header.h"
#include "moe/checkpoint/tensor.h"

namespace moe {
namespace {

std::string KindOf(absl::string_view artifact) {
  return absl::StrCat(artifact, " part");
}

absl::StatusOr<std::string> Entry(const SafetensorsMetadata& metadata,
                                  const std::string& key) {
  const auto found = metadata.find(key);
  if (found != metadata.end()) return found->second;
  return absl::InvalidArgumentError(
      absl::StrCat("its metadata have no \"", key, "\""));
}

template <typename Int>
absl::StatusOr<Int> IntEntry(const SafetensorsMetadata& metadata,
                             const std::string& key) {
  MOE_ASSIGN_OR_RETURN(const std::string text, Entry(metadata, key));
  Int value = 0;
  if (absl::SimpleAtoi(text, &value)) return value;
  return absl::InvalidArgumentError(absl::StrCat(
      "\"", key, "\" of its metadata is \"", text, "\", which is no number"));
}

// All but the records.
absl::StatusOr<ArtifactPart> FromMetadata(const SafetensorsMetadata& metadata,
                                          absl::string_view artifact) {
  const auto kind = metadata.find("artifact");
  if (kind == metadata.end() || kind->second != KindOf(artifact)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "is no part of ", artifact, ", as --shards and --shard make them; it ",
        kind == metadata.end() ? "does not say what it is"
                               : absl::StrCat("holds \"", kind->second, "\"")));
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
    return absl::InvalidArgumentError(absl::StrCat(
        "its metadata say shard ", part.shard, " of ", part.num_shards));
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
          absl::StrCat("tensor ", tensor.spec.name, " is ",
                       DtypeName(tensor.spec.dtype), "; wanted is U8"));
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
  return Annotate(part.status(), path);
}

absl::Status CheckBelongTogether(const ArtifactPart& a, const ArtifactPart& b,
                                 absl::string_view path_of_a,
                                 absl::string_view path_of_b) {
  std::string what;
  if (a.num_shards != b.num_shards) {
    what = absl::StrCat("one of ", a.num_shards, " shards, the other of ",
                        b.num_shards);
  } else if (a.inputs_digest != b.inputs_digest) {
    what = absl::StrCat("made from different inputs, ", a.inputs_digest,
                        " and ", b.inputs_digest,
                        ": the model, the dataset, the gate weights or a flag "
                        "is another");
  } else if (!(a.metadata == b.metadata)) {
    what = "made by different versions, steps or seeds";
  } else {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat(path_of_a, " and ", path_of_b, " are ", what));
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
          absl::StrCat(*there->second, " and ", paths[i], " are both shard ",
                       parts[i].shard, " of ", num_shards));
    }
  }
  if (static_cast<int64_t>(path_of.size()) == num_shards) {
    return absl::OkStatus();
  }
  int64_t missing = 0;
  while (path_of.contains(missing)) ++missing;
  return absl::InvalidArgumentError(absl::StrCat(
      "shard ", missing, " of ", num_shards, " is missing: there are ",
      path_of.size(), " parts; make it with --shards=", num_shards,
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
  return Annotate(part.status(), path);
}

absl::Status ForEachArtifactPart(
    absl::Span<const std::string> paths, absl::string_view artifact,
    absl::FunctionRef<absl::Status(const ArtifactPart&)> body) {
  if (paths.empty()) {
    return absl::InvalidArgumentError("there are no parts to merge");
  }
  std::vector<ArtifactPart> headers;
  for (const std::string& path : paths) {
    MOE_ASSIGN_OR_RETURN(headers.emplace_back(), ReadHeader(path, artifact));
  }
  MOE_RETURN_IF_ERROR(CheckComplete(headers, paths));
  for (const std::string& path : paths) {
    MOE_ASSIGN_OR_RETURN(const ArtifactPart part,
                         ReadArtifactPart(path, artifact));
    MOE_RETURN_IF_ERROR(Annotate(body(part), path));
  }
  return absl::OkStatus();
}

}  // namespace moe
