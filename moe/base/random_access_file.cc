#include "moe/base/random_access_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/status_macros.h"

namespace moe {

absl::StatusOr<RandomAccessFile> RandomAccessFile::Open(
    absl::string_view path) {
  std::string name(path);
  // Without O_NONBLOCK, opening a pipe that nobody writes to would wait for
  // ever.
  const int descriptor =
      ::open(name.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (descriptor < 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", name));
  }
  // Owns the descriptor from here on, so that every return closes it.
  RandomAccessFile file(std::move(name), descriptor, 0);
  struct stat info;
  if (::fstat(descriptor, &info) != 0) {
    return absl::ErrnoToStatus(errno,
                               absl::StrCat("cannot look at ", file.path_));
  }
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat(file.path_, S_ISDIR(info.st_mode)
                                     ? " is a directory; a file was expected"
                                     : " is not a regular file"));
  }
  file.size_bytes_ = static_cast<uint64_t>(info.st_size);
  return file;
}

RandomAccessFile::RandomAccessFile(RandomAccessFile&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      size_bytes_(std::exchange(other.size_bytes_, 0)) {}

RandomAccessFile& RandomAccessFile::operator=(
    RandomAccessFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(size_bytes_, other.size_bytes_);
  return *this;
}

RandomAccessFile::~RandomAccessFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

absl::Status RandomAccessFile::Read(uint64_t offset_bytes,
                                    absl::Span<char> out) const {
  // Linux transfers at most about 2 GiB a call; a smaller piece costs nothing.
  constexpr size_t kMaxPieceBytes = size_t{1} << 30;
  size_t done = 0;
  while (done < out.size()) {
    const ssize_t got = ::pread(descriptor_, out.data() + done,
                                std::min(out.size() - done, kMaxPieceBytes),
                                static_cast<off_t>(offset_bytes + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      return absl::ErrnoToStatus(
          errno,
          absl::StrCat("reading ", path_, " at offset ", offset_bytes + done));
    }
    if (got == 0) {
      return absl::DataLossError(absl::StrCat(path_, ": truncated: wanted ",
                                              out.size(), " bytes at offset ",
                                              offset_bytes, ", found ", done));
    }
    done += static_cast<size_t>(got);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadFile(absl::string_view path,
                                     uint64_t max_bytes) {
  MOE_ASSIGN_OR_RETURN(const RandomAccessFile file,
                       RandomAccessFile::Open(path));
  if (file.size_bytes() > max_bytes) {
    return absl::ResourceExhaustedError(absl::StrCat(
        path, " has ", file.size_bytes(), " bytes, more than the ", max_bytes,
        " that such a file may have; is it the right file?"));
  }
  std::string contents(file.size_bytes(), '\0');
  MOE_RETURN_IF_ERROR(file.Read(0, absl::MakeSpan(contents)));
  return contents;
}

}  // namespace moe
