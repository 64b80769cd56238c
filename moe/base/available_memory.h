// How much memory this process may still take.

#ifndef MOE_BASE_AVAILABLE_MEMORY_H_
#define MOE_BASE_AVAILABLE_MEMORY_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace moe {

// The least of what the machine can give without swapping (MemAvailable of
// /proc/meminfo), what the control group that this process is in has left, and
// what its own limits leave (ulimit -v, ulimit -d). Nothing where the system
// does not tell.
std::optional<int64_t> AvailableMemoryBytes();

// The most that this process has had resident at once, so far.
int64_t PeakResidentBytes();

// For a person: "1.50 GiB resident, 300.00 MiB available to this process".
std::string DescribeMemory();

namespace internal {

// What the group at `group` ("/user.slice/x") of the hierarchy of version 2 in
// `root`, and those around it, leave: limit less use, pages of files aside.
// Nothing where none has a limit. (Limits of version 1 are not looked at.)
std::optional<int64_t> LeftInControlGroup(const std::string& root,
                                          std::string group);

// From the text of /proc/meminfo.
std::optional<int64_t> ParseMemAvailable(absl::string_view meminfo);

}  // namespace internal
}  // namespace moe

#endif  // MOE_BASE_AVAILABLE_MEMORY_H_
