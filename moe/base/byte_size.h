// Numbers as people write them: amounts of bytes ("2GiB", "1.5 MiB", "4096")
// and large numbers ("12,345,678").

#ifndef MOE_BASE_BYTE_SIZE_H_
#define MOE_BASE_BYTE_SIZE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace moe::base {

// Parses a number, optionally with a fraction, and one of the units B, KiB,
// MiB, GiB, TiB (powers of 1024) or KB, MB, GB, TB (powers of 1000); no unit
// means bytes. Blanks around the number are allowed, case is ignored. The
// result is rounded down to whole bytes. InvalidArgument if the text has
// another form, is negative, or does not fit 63 bits.
absl::StatusOr<int64_t> ParseByteSize(absl::string_view text);

// "1.50 GiB", "372.0 KiB", "17 B": the largest binary unit that keeps the
// number at 1 or more, with about three digits.
std::string FormatByteSize(int64_t num_bytes);

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

}  // namespace moe::base

#endif  // MOE_BASE_BYTE_SIZE_H_
