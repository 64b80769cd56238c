#include "moe/align/align_options.h"

#include "absl/status/status.h"
#include "moe/align/align_options.pb.h"
#include "moe/base/option_checks.h"
#include "moe/base/status_macros.h"

namespace moe {

absl::Status ValidateAlignOptions(const AlignOptions& options) {
  MOE_RETURN_IF_ERROR(CheckField(
      AlignOptions::Mode_IsValid(options.alignment_mode()), "alignment_mode",
      static_cast<int>(options.alignment_mode()), "EXACT or PUBLISHED"));
  return CheckField(
      AlignOptions::Parts_IsValid(options.alignment_parts()), "alignment_parts",
      static_cast<int>(options.alignment_parts()), "FULL or MAGNITUDE");
}

}  // namespace moe
