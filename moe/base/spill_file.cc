#include "moe/base/spill_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/byte_size.h"
#include "moe/base/file_system.h"
#include "moe/base/random_access_file.h"
#include "moe/base/status_macros.h"

namespace moe::base {
namespace {

// Linux transfers at most about 2 GiB a call.
constexpr size_t kMaxPieceBytes = size_t{1} << 30;

absl::Status SpillError(int error, absl::string_view directory,
                        absl::string_view what) {
  const std::string message =
      absl::StrCat("directory ", directory, " for temporary files: ", what);
  if (error == EFBIG) {
    return absl::ResourceExhaustedError(absl::StrCat(
        ErrnoStatus(error, message).message(),
        ", set TMPDIR to a directory that can hold them, or give a larger "
        "--memory_budget"));
  }
  if (error == ENOSPC || error == EDQUOT) {
    return absl::ResourceExhaustedError(absl::StrCat(
        message,
        ": no space left; make room, set TMPDIR to a directory on a "
        "larger disk, or give a larger --memory_budget"));
  }
  return absl::ErrnoToStatus(
      error, absl::StrCat(message,
                          "; set TMPDIR to a directory that can be "
                          "written to"));
}

// A file without a name in the directory.
int OpenUnnamed(const std::string& directory) {
  const int descriptor =
      ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (descriptor >= 0 || (errno != EOPNOTSUPP && errno != EISDIR)) {
    return descriptor;
  }
  // Some network file systems have no unnamed files.
  std::string name = absl::StrCat(directory, "/spill-XXXXXX");
  const int named = ::mkostemp(name.data(), O_CLOEXEC);
  if (named >= 0) ::unlink(name.c_str());
  return named;
}

}  // namespace

std::string SpillDirectory() {
  const char* const directory = std::getenv("TMPDIR");
  return directory != nullptr && *directory != '\0' ? directory : "/var/tmp";
}

absl::StatusOr<SpillFile> SpillFile::Create(absl::string_view directory,
                                            uint64_t size_bytes) {
  const int descriptor = OpenUnnamed(std::string(directory));
  if (descriptor < 0) {
    return SpillError(errno, directory, "cannot make a file there");
  }
  SpillFile file(directory, descriptor);
  if (size_bytes > 0 &&
      ::fallocate(descriptor, 0, 0, static_cast<off_t>(size_bytes)) != 0 &&
      errno != EOPNOTSUPP && errno != ENOSYS) {
    return SpillError(
        errno, directory,
        absl::StrCat("cannot set ",
                     FormatByteSize(static_cast<int64_t>(size_bytes)),
                     " aside"));
  }
  return file;
}

SpillFile::~SpillFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

absl::Status SpillFile::Write(uint64_t offset_bytes,
                              absl::Span<const char> bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t wrote =
        ::pwrite(descriptor_, bytes.data() + done,
                 std::min(bytes.size() - done, kMaxPieceBytes),
                 static_cast<off_t>(offset_bytes + done));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return SpillError(errno, directory_, "cannot write");
    done += static_cast<size_t>(wrote);
  }
  return absl::OkStatus();
}

absl::Status SpillFile::Read(uint64_t offset_bytes,
                             absl::Span<char> out) const {
  const std::string where =
      absl::StrCat("directory ", directory_, " for temporary files");
  const absl::StatusOr<size_t> got =
      internal::ReadAt(descriptor_, offset_bytes, out);
  if (!got.ok()) return Annotate(got.status(), where);
  if (*got == out.size()) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(where, ": expected ", out.size(),
                                          " bytes at offset ", offset_bytes,
                                          ", found ", *got));
}

}  // namespace moe::base
