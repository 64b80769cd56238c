// What the options of several steps have in common.

#ifndef MOE_BASE_OPTION_CHECKS_H_
#define MOE_BASE_OPTION_CHECKS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace moe::base {

// The heaps of a clustering take num_tokens * num_experts entries; more experts
// would only cost memory.
inline constexpr int64_t kMaxExperts = 1024;

// InvalidArgument "FIELD: expected ALLOWED, found VALUE" unless `is_allowed`.
template <typename T>
absl::Status CheckField(bool is_allowed, absl::string_view field, T value,
                        absl::string_view allowed) {
  if (is_allowed) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": expected ", allowed, ", found ", value));
}

// 1 to kMaxExperts; `field` is the option's name.
inline absl::Status CheckNumExperts(int64_t num_experts,
                                    absl::string_view field = "num_experts") {
  return CheckField(num_experts >= 1 && num_experts <= kMaxExperts, field,
                    num_experts, absl::StrCat("1 to ", kMaxExperts));
}

}  // namespace moe::base

#endif  // MOE_BASE_OPTION_CHECKS_H_
