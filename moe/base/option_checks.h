// What the options of several steps have in common.

#ifndef MOE_BASE_OPTION_CHECKS_H_
#define MOE_BASE_OPTION_CHECKS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace moe {

// More would only cost memory: a clustering's heaps take num_tokens *
// num_experts entries.
inline constexpr int64_t kMaxExperts = 1024;

// InvalidArgument "FIELD is VALUE; allowed: ..." unless `is_allowed`.
template <typename T>
absl::Status CheckField(bool is_allowed, absl::string_view field, T value,
                        absl::string_view allowed) {
  if (is_allowed) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, " is ", value, "; allowed: ", allowed));
}

// 1 to kMaxExperts; `field` is the option's name.
absl::Status CheckNumExperts(int64_t num_experts,
                             absl::string_view field = "num_experts");

}  // namespace moe

#endif  // MOE_BASE_OPTION_CHECKS_H_
