// What files that are read at positions share: filling a span from a
// descriptor. Not for use elsewhere.

#ifndef MOE_BASE_POSITIONED_READ_H_
#define MOE_BASE_POSITIONED_READ_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace moe::internal {

// Reads from `offset_bytes` on until `out` is full or the file ends, and gives
// the number of bytes. What the system reports, otherwise, without a path.
absl::StatusOr<size_t> ReadAt(int descriptor, uint64_t offset_bytes,
                              absl::Span<char> out);

}  // namespace moe::internal

#endif  // MOE_BASE_POSITIONED_READ_H_
