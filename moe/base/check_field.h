// What the Validate functions of options say of a field.

#ifndef MOE_BASE_CHECK_FIELD_H_
#define MOE_BASE_CHECK_FIELD_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace moe {

// InvalidArgument "FIELD is VALUE; allowed: ..." unless `is_allowed`.
template <typename T>
absl::Status CheckField(bool is_allowed, absl::string_view field, T value,
                        absl::string_view allowed) {
  if (is_allowed) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, " is ", value, "; allowed: ", allowed));
}

// Of a field named "seed".
inline absl::Status CheckSeed(int64_t seed) {
  return CheckField(seed >= 0, "seed", seed, "0 or more");
}

}  // namespace moe

#endif  // MOE_BASE_CHECK_FIELD_H_
