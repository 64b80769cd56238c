// An error of the system, with what a user can do about it.

#ifndef MOE_BASE_ERRNO_STATUS_H_
#define MOE_BASE_ERRNO_STATUS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace moe {

// absl::ErrnoToStatus. Where a limit of the process or a disk is the cause, the
// message goes on with the limit and how to raise it.
absl::Status ErrnoStatus(int error, absl::string_view doing);

}  // namespace moe

#endif  // MOE_BASE_ERRNO_STATUS_H_
