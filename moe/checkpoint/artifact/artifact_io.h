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
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace moe {

// Where an artifact comes from. Written into safetensors files, where it stands
// beside "artifact", the kind; a `.pt` file has no place for it.
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
// The two never disagree: with `overwrite`, a <artifact>.pt that is there is
// removed before the safetensors file is replaced, with `pt` and without. After
// a failure there is none, or that of the new safetensors file.
template <typename Artifact>
absl::Status WriteArtifact(const Artifact& artifact,
                           const ArtifactMetadata& metadata,
                           absl::string_view directory,
                           const ArtifactWriteOptions& options);

}  // namespace moe

#endif  // MOE_CHECKPOINT_ARTIFACT_ARTIFACT_IO_H_
