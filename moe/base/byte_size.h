// Amounts of bytes as people write them: "2GiB", "1.5 MiB", "4096".

#ifndef MOE_BASE_BYTE_SIZE_H_
#define MOE_BASE_BYTE_SIZE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace moe {

// Parses a number, optionally with a fraction, and one of the units B, KiB,
// MiB, GiB, TiB (powers of 1024) or KB, MB, GB, TB (powers of 1000); no unit
// means bytes. Blanks around the number are allowed, case is ignored. The
// result is rounded down to whole bytes. InvalidArgument if the text has
// another form, is negative, or does not fit 63 bits.
absl::StatusOr<int64_t> ParseByteSize(absl::string_view text);

// "1.50 GiB", "372.0 KiB", "17 B": the largest binary unit that keeps the
// number at 1 or more, with about three digits.
std::string FormatByteSize(int64_t num_bytes);

}  // namespace moe

#endif  // MOE_BASE_BYTE_SIZE_H_
