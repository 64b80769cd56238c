#include "moe/gates/random_selection_options.h"

#include "absl/status/status.h"
#include "moe/base/option_checks.h"
#include "moe/base/status_macros.h"
#include "moe/gates/random_selection_options.pb.h"

namespace moe {

absl::Status ValidateRandomSelectionOptions(
    const RandomSelectionOptions& options) {
  MOE_RETURN_IF_ERROR(CheckNumExperts(options.num_experts()));
  return CheckSeed(options.seed());
}

}  // namespace moe
