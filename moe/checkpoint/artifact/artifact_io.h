// Reading and writing artifact files, in either format.
//
//   MOE_ASSIGN_OR_RETURN(const GateWeights gates,
//                        ReadArtifact<GateWeights>(path));
//   MOE_RETURN_IF_ERROR(ValidateGateWeights(gates, shape, path));
//
// An artifact is a type with kName, ToTensors, FromTensors, ToPt and FromPt:
// GateWeights, ImportanceScores, NeuronIndices, Distribution, ScaleFactors. The
// functions are defined for these five.

#ifndef MOE_CHECKPOINT_ARTIFACT_ARTIFACT_IO_H_
#define MOE_CHECKPOINT_ARTIFACT_ARTIFACT_IO_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/checkpoint/artifact/artifact_io.h"

namespace moe::checkpoint {

// The origin of an artifact. It is written into the metadata of safetensors
// files, beside "artifact", the kind. A `.pt` file has no place for it.
struct ArtifactMetadata {
  std::string tool_version;
  std::string step;         // The command that made it: "hidden_clustering".
  std::string spec_digest;  // SHA-256 of the experiment's spec, or empty.
  uint64_t seed = 0;

  friend bool operator==(const ArtifactMetadata&,
                         const ArtifactMetadata&) = default;
};

struct ArtifactWriteOptions {
  bool pt = false;  // Also <artifact>.pt.
  bool overwrite = false;
};

// Reads `path`, a safetensors or a `.pt` file, told apart by content. Errors
// name the path: those of the formats, and InvalidArgument where the file holds
// something else than this kind of artifact. It is not held against a
// checkpoint: see the artifact's Validate function.
template <typename Artifact>
absl::StatusOr<Artifact> ReadArtifact(absl::string_view path);

// Writes `directory`/<artifact>.safetensors, whose bytes are a function of the
// first two arguments alone, and with `pt` <artifact>.pt too. Each file appears
// whole or not at all. AlreadyExists, before anything is written, if one of
// them is there and `overwrite` is not set; the `.pt` counts without `pt` too.
//
// The two files never disagree: with `overwrite`, an existing <artifact>.pt is
// removed before the safetensors file is replaced, with `pt` and without. After
// a failure there is no `.pt`, or that of the new safetensors file.
template <typename Artifact>
absl::Status WriteArtifact(const Artifact& artifact,
                           const ArtifactMetadata& metadata,
                           absl::string_view directory,
                           const ArtifactWriteOptions& options);

// A part of an artifact that several workers make together: the sums over the
// tokens of one shard. The artifact is made once all parts are there.
//
// A part is a safetensors file ARTIFACT.part-I-of-N.safetensors. Its tensors
// are U8, bytes whose meaning the step that made them knows. Its metadata are
// those of an artifact, with "artifact" being "ARTIFACT part", and
// "inputs_digest", "num_shards" and "shard".
struct ArtifactPart {
  std::string artifact;  // "importance_scores"
  // The digest of everything but the shard on which the sums depend: parts with
  // different digests do not belong together. 64 hexadecimal digits.
  std::string inputs_digest;
  int64_t num_shards = 1;
  int64_t shard = 0;
  ArtifactMetadata metadata;
  std::map<std::string, std::string> records;

  friend bool operator==(const ArtifactPart&, const ArtifactPart&) = default;
};

// "DIRECTORY/importance_scores.part-2-of-8.safetensors": parts are counted from
// 0.
std::string PathOfPart(absl::string_view directory, absl::string_view artifact,
                       int64_t num_shards, int64_t shard);

// Writes the file at once or not at all. AlreadyExists if it is there and
// `overwrite` is not set.
absl::Status WriteArtifactPart(const ArtifactPart& part,
                               absl::string_view directory, bool overwrite);

// Errors name the path: those of the format, and InvalidArgument where the file
// is no part of `artifact`.
absl::StatusOr<ArtifactPart> ReadArtifactPart(absl::string_view path,
                                              absl::string_view artifact);

// Calls `body` for every part, in the order of the paths, with one in memory at
// a time. Before the first call: InvalidArgument, with the paths, if two parts
// do not belong together, there are two of a shard, or one is missing.
absl::Status ForEachArtifactPart(
    absl::Span<const std::string> paths, absl::string_view artifact,
    absl::FunctionRef<absl::Status(const ArtifactPart&)> body);

}  // namespace moe::checkpoint

#endif  // MOE_CHECKPOINT_ARTIFACT_ARTIFACT_IO_H_
