#include "moe/base/random_access_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/file_system.h"
#include "moe/base/status_macros.h"

namespace moe::base {
namespace {

// Git LFS keeps a pointer below 1024 bytes, and begins it with this line.
constexpr absl::string_view kLfsPointer =
    "version https://git-lfs.github.com/spec/v1";
constexpr uint64_t kMaxLfsPointerBytes = 1024;

// A clone without git-lfs has pointers where the large files should be.
absl::Status CheckNoLfsPointer(const RandomAccessFile& file) {
  if (file.size_bytes() < kLfsPointer.size() ||
      file.size_bytes() > kMaxLfsPointerBytes) {
    return absl::OkStatus();
  }
  std::string start(kLfsPointer.size(), '\0');
  MOE_RETURN_IF_ERROR(file.Read(0, absl::MakeSpan(start)));
  if (start != kLfsPointer) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      file.path(), ": expected the file itself, found a Git LFS pointer of ",
      file.size_bytes(),
      " bytes; run `git lfs install` and `git lfs pull` in the repository that "
      "it is from, or download the file"));
}

}  // namespace

absl::StatusOr<RandomAccessFile> RandomAccessFile::Open(
    absl::string_view path) {
  std::string name(path);
  // Without O_NONBLOCK, opening a pipe without a writer would wait forever.
  const int descriptor =
      ::open(name.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (descriptor < 0) {
    return ErrnoStatus(errno, absl::StrCat("cannot open ", name));
  }
  // Owns the descriptor from here on, so that every return closes it.
  RandomAccessFile file(std::move(name), descriptor, 0);
  struct stat info;
  if (::fstat(descriptor, &info) != 0) {
    return ErrnoStatus(errno, absl::StrCat("cannot look at ", file.path_));
  }
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat(file.path_, ": expected a regular file, found ",
                     S_ISDIR(info.st_mode) ? "a directory" : "something else"));
  }
  file.size_bytes_ = static_cast<uint64_t>(info.st_size);
  MOE_RETURN_IF_ERROR(CheckNoLfsPointer(file));
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
  const absl::StatusOr<size_t> got =
      internal::ReadAt(descriptor_, offset_bytes, out);
  if (!got.ok()) return Annotate(got.status(), path_);
  if (*got == out.size()) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(path_, ": truncated: expected ",
                                          out.size(), " bytes at offset ",
                                          offset_bytes, ", found ", *got));
}

absl::StatusOr<std::string> ReadFile(absl::string_view path,
                                     uint64_t max_bytes) {
  MOE_ASSIGN_OR_RETURN(const RandomAccessFile file,
                       RandomAccessFile::Open(path));
  if (file.size_bytes() > max_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat(path, ": expected at most ", max_bytes, " bytes, found ",
                     file.size_bytes(), "; give the path of the right file"));
  }
  std::string contents(file.size_bytes(), '\0');
  MOE_RETURN_IF_ERROR(file.Read(0, absl::MakeSpan(contents)));
  return contents;
}

}  // namespace moe::base

namespace moe::base::internal {

absl::StatusOr<size_t> ReadAt(int descriptor, uint64_t offset_bytes,
                              absl::Span<char> out) {
  // Linux transfers at most about 2 GiB a call; a smaller piece costs nothing.
  constexpr size_t kMaxPieceBytes = size_t{1} << 30;
  size_t done = 0;
  while (done < out.size()) {
    const ssize_t got = ::pread(descriptor, out.data() + done,
                                std::min(out.size() - done, kMaxPieceBytes),
                                static_cast<off_t>(offset_bytes + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      return ErrnoStatus(
          errno, absl::StrCat("reading at offset ", offset_bytes + done));
    }
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

}  // namespace moe::base::internal

namespace moe::base {
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

}  // namespace moe::base
