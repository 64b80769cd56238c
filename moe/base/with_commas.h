// Large numbers as people read them.

#ifndef MOE_BASE_WITH_COMMAS_H_
#define MOE_BASE_WITH_COMMAS_H_

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"

namespace moe {

// "12,345,678". The number must not be negative.
inline std::string WithCommas(int64_t number) {
  const std::string digits = absl::StrCat(number);
  std::string text;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text.push_back(',');
    text.push_back(digits[i]);
  }
  return text;
}

}  // namespace moe

#endif  // MOE_BASE_WITH_COMMAS_H_
