// Parts of an artifact that several workers make together: the sums over the
// tokens of one shard each, from which the artifact is made once all are there.
//
// A part is a safetensors file ARTIFACT.part-I-of-N.safetensors. Its tensors
// are U8, bytes that the step that made them understands; its metadata are
// those of an artifact, "artifact" being "ARTIFACT part", and "inputs_digest",
// "num_shards" and "shard".

#ifndef MOE_CHECKPOINT_ARTIFACT_ARTIFACT_PART_H_
#define MOE_CHECKPOINT_ARTIFACT_ARTIFACT_PART_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/checkpoint/artifact/artifact_io.h"

namespace moe {

struct ArtifactPart {
  std::string artifact;  // "importance_scores"
  // Of everything but the shard that the sums depend on: parts with different
  // ones do not belong together. 64 hexadecimal digits.
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

}  // namespace moe

#endif  // MOE_CHECKPOINT_ARTIFACT_ARTIFACT_PART_H_
