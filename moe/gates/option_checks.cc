#include "moe/gates/option_checks.h"

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "moe/base/check_field.h"

namespace moe {

absl::Status CheckNumExperts(int64_t num_experts) {
  return CheckField(num_experts >= 1 && num_experts <= kMaxExperts,
                    "num_experts", num_experts,
                    absl::StrCat("1 to ", kMaxExperts));
}

absl::Status CheckEnoughTokens(int64_t num_tokens, int64_t num_experts) {
  if (num_tokens >= num_experts) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(num_tokens, " tokens, and num_experts is ", num_experts,
                   "; use more text, or fewer experts"));
}

}  // namespace moe
