#include "moe/base/errno_status.h"

#include <sys/resource.h>

#include <cerrno>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace moe {
namespace {

// "ulimit -n, now 16": a limit by the name that a shell gives it.
std::string ShellLimit(int resource, absl::string_view name,
                       rlim_t bytes_per_unit) {
  rlimit limit = {};
  if (::getrlimit(resource, &limit) != 0) return std::string(name);
  return absl::StrCat(name, ", now ", limit.rlim_cur / bytes_per_unit);
}

std::string Advice(int error) {
  switch (error) {
    case EMFILE:
      return absl::StrCat("; allow the process more open files (",
                          ShellLimit(RLIMIT_NOFILE, "ulimit -n", 1), ")");
    case ENFILE:
      return "; the system as a whole has too many open files";
    case EFBIG:
      // A shell counts it in KiB.
      return absl::StrCat("; allow the process larger files (",
                          ShellLimit(RLIMIT_FSIZE, "ulimit -f", 1024), ")");
    case ENOSPC:
    case EDQUOT:
      return "; free some space, or choose a path on another disk";
    default:
      return "";
  }
}

}  // namespace

absl::Status ErrnoStatus(int error, absl::string_view doing) {
  const absl::Status status = absl::ErrnoToStatus(error, doing);
  return absl::Status(status.code(),
                      absl::StrCat(status.message(), Advice(error)));
}

}  // namespace moe
