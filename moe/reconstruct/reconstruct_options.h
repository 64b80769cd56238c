// Options of a reconstruction that depend on more than their annotations.

#ifndef MOE_RECONSTRUCT_RECONSTRUCT_OPTIONS_H_
#define MOE_RECONSTRUCT_RECONSTRUCT_OPTIONS_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "moe/reconstruct/reconstruct_options.pb.h"

namespace moe::reconstruct {

inline constexpr char kMlpPart[] = "mlp";
inline constexpr char kAttentionPart[] = "attention";

struct RefittedParts {
  bool mlp = false;
  bool attention = false;
};

// What `parts` names. InvalidArgument unless that is mlp, attention, or both
// with a comma, each once.
absl::StatusOr<RefittedParts> ParseRefittedParts(
    const ReconstructOptions& options);

// The errors of CheckOptions and ParseRefittedParts.
absl::Status ValidateReconstructOptions(const ReconstructOptions& options);

}  // namespace moe::reconstruct

#endif  // MOE_RECONSTRUCT_RECONSTRUCT_OPTIONS_H_
