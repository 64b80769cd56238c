#include "moe/reconstruct/reconstruct_options.h"

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "moe/base/options/options.h"
#include "moe/base/status_macros.h"
#include "moe/reconstruct/reconstruct_options.pb.h"

namespace moe::reconstruct {

absl::StatusOr<RefittedParts> ParseRefittedParts(
    const ReconstructOptions& options) {
  RefittedParts parts;
  for (const absl::string_view part : absl::StrSplit(options.parts(), ',')) {
    bool* const named = part == kMlpPart         ? &parts.mlp
                        : part == kAttentionPart ? &parts.attention
                                                 : nullptr;
    if (named == nullptr || *named) {
      return absl::InvalidArgumentError(absl::StrCat(
          "parts: expected mlp, attention, or mlp,attention, found \"",
          options.parts(), "\""));
    }
    *named = true;
  }
  return parts;
}

absl::Status ValidateReconstructOptions(const ReconstructOptions& options) {
  MOE_RETURN_IF_ERROR(base::CheckOptions(options));
  return ParseRefittedParts(options).status();
}

}  // namespace moe::reconstruct
