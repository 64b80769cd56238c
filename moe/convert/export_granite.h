// A residual checkpoint as transformers' own GraniteMoeShared. See
// export_checkpoint.h; not for use elsewhere.

#ifndef MOE_CONVERT_EXPORT_GRANITE_H_
#define MOE_CONVERT_EXPORT_GRANITE_H_

#include "absl/status/statusor.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/convert/conversion_plan.h"

namespace moe {

// `config` is from's, and has nothing that no target holds. InvalidArgument for
// what GraniteMoeShared does not.
absl::StatusOr<ConversionPlan> PlanGranite(const Checkpoint& from,
                                           const MoeConfig& config);

}  // namespace moe

#endif  // MOE_CONVERT_EXPORT_GRANITE_H_
