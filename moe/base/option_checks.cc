#include "moe/base/option_checks.h"

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace moe {

absl::Status CheckNumExperts(int64_t num_experts, absl::string_view field) {
  return CheckField(num_experts >= 1 && num_experts <= kMaxExperts, field,
                    num_experts, absl::StrCat("1 to ", kMaxExperts));
}

}  // namespace moe
