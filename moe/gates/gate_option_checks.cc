#include "moe/gates/gate_option_checks.h"

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace moe {

absl::Status CheckEnoughTokens(int64_t num_tokens, int64_t num_experts) {
  if (num_tokens >= num_experts) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(num_tokens, " tokens, and num_experts is ", num_experts,
                   "; use more text, or fewer experts"));
}

}  // namespace moe
