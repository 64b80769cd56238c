#include "moe/base/file_stamp.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstdint>
#include <ctime>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/errno_status.h"

namespace moe {
namespace {

int64_t Nanoseconds(const timespec& time) {
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

absl::StatusOr<FileStamp> StampOf(absl::string_view path) {
  struct stat info;
  if (::stat(std::string(path).c_str(), &info) != 0) {
    const int error = errno;
    return ErrnoStatus(error, absl::StrCat("looking at ", path));
  }
  return FileStamp{info.st_dev, info.st_ino, info.st_size,
                   Nanoseconds(info.st_mtim), Nanoseconds(info.st_ctim)};
}

absl::Status CheckStamp(absl::string_view path, const FileStamp& stamp) {
  const absl::StatusOr<FileStamp> found = StampOf(path);
  if (found.ok() && *found == stamp) return absl::OkStatus();
  std::string what = "it was written to or touched";
  if (!found.ok()) {
    what = std::string(found.status().message());
  } else if (found->device != stamp.device || found->inode != stamp.inode) {
    what = "another file has its name";
  } else if (found->size_bytes != stamp.size_bytes) {
    what = absl::StrCat("it has ", found->size_bytes, " bytes, and had ",
                        stamp.size_bytes);
  }
  return absl::DataLossError(absl::StrCat(
      path, ": expected the file that was read before, found a change: ", what,
      "; leave the inputs alone while a command works, and start it again"));
}

}  // namespace moe
