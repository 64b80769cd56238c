// A vanilla checkpoint as transformers' own Mixtral. See export_checkpoint.h;
// not for use elsewhere.

#ifndef MOE_CONVERT_EXPORT_MIXTRAL_H_
#define MOE_CONVERT_EXPORT_MIXTRAL_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/convert/conversion_plan.h"
#include "moe/convert/tensor_piece.h"

namespace moe {

// `config` is from's, and has nothing that no target holds. InvalidArgument for
// what Mixtral does not.
absl::StatusOr<ConversionPlan> PlanMixtral(const Checkpoint& from,
                                           const MoeConfig& config);

// InvalidArgument for a scale factor that float32 has as 0 or infinity.
absl::Status CheckScaleFactor(const Checkpoint& from, const MoeConfig& config);

// An expert's w2 with the scale factor in it.
TensorPiece ScaledBy(double scale_factor, const TensorLocation& from);

}  // namespace moe

#endif  // MOE_CONVERT_EXPORT_MIXTRAL_H_
