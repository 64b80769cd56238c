// How much memory this process may still take.

#ifndef MOE_BASE_AVAILABLE_MEMORY_H_
#define MOE_BASE_AVAILABLE_MEMORY_H_

#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"

namespace moe {

// What the machine can give without swapping (MemAvailable of /proc/meminfo),
// or what the control group that this process is in has left, if that is less.
// Nothing where the system does not tell.
std::optional<int64_t> AvailableMemoryBytes();

// The most that this process has had resident at once, so far.
int64_t PeakResidentBytes();

namespace internal {

// From the text of /proc/meminfo.
std::optional<int64_t> ParseMemAvailable(absl::string_view meminfo);

}  // namespace internal
}  // namespace moe

#endif  // MOE_BASE_AVAILABLE_MEMORY_H_
