#include "moe/base/file_system.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/mutation_gate.h"
#include "moe/base/status_macros.h"

namespace moe::base {
namespace {

absl::Status LastError(absl::string_view doing, absl::string_view path) {
  return ErrnoStatus(errno, absl::StrCat(doing, " ", path));
}

absl::Status RemoveTree(const std::string& path) {
  if (::unlink(path.c_str()) == 0) return absl::OkStatus();
  // EISDIR by Linux, EPERM by POSIX.
  if (errno != EISDIR && errno != EPERM) return LastError("removing", path);
  if (::rmdir(path.c_str()) == 0) return absl::OkStatus();
  if (errno != ENOTEMPTY && errno != EEXIST) {
    return LastError("removing", path);
  }
  // All names are read before the first file is removed. So one descriptor is
  // enough for any depth.
  MOE_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                       ListDirectory(path));
  for (const std::string& name : names) {
    MOE_RETURN_IF_ERROR(RemoveTree(absl::StrCat(path, "/", name)));
  }
  if (::rmdir(path.c_str()) != 0) return LastError("removing", path);
  return absl::OkStatus();
}

class ScopedDescriptor {
 public:
  explicit ScopedDescriptor(int descriptor) : descriptor_(descriptor) {}
  ScopedDescriptor(ScopedDescriptor&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, -1)) {}
  ScopedDescriptor& operator=(ScopedDescriptor&&) = delete;
  ~ScopedDescriptor() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  int get() const { return descriptor_; }
  int Release() { return std::exchange(descriptor_, -1); }

 private:
  int descriptor_;
};

// Gathers small pieces and writes large ones directly.
class PosixWritableFile : public WritableFile {
 public:
  PosixWritableFile(std::string path, ScopedDescriptor descriptor)
      : path_(std::move(path)), descriptor_(std::move(descriptor)) {}
  ~PosixWritableFile() override { Flush().IgnoreError(); }

  absl::Status Append(absl::string_view bytes) override {
    if (buffer_.size() + bytes.size() <= kBufferBytes) {
      buffer_.append(bytes.data(), bytes.size());
      return absl::OkStatus();
    }
    MOE_RETURN_IF_ERROR(Flush());
    if (bytes.size() >= kBufferBytes) return Write(bytes);
    buffer_.assign(bytes.data(), bytes.size());
    return absl::OkStatus();
  }

  absl::Status Sync() override {
    MOE_RETURN_IF_ERROR(Flush());
    if (::fsync(descriptor_.get()) != 0) return LastError("syncing", path_);
    return absl::OkStatus();
  }

  absl::Status Close() override {
    MOE_RETURN_IF_ERROR(Flush());
    if (::close(descriptor_.Release()) != 0) {
      return LastError("closing", path_);
    }
    return absl::OkStatus();
  }

 private:
  static constexpr size_t kBufferBytes = size_t{256} << 10;

  absl::Status Flush() {
    const std::string bytes = std::exchange(buffer_, std::string());
    return Write(bytes);
  }

  absl::Status Write(absl::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t put =
          ::write(descriptor_.get(), bytes.data(), bytes.size());
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return LastError("writing", path_);
      bytes.remove_prefix(static_cast<size_t>(put));
      written_bytes_ += put;
    }
    StartWriteback();
    return absl::OkStatus();
  }

  // Makes the device start on data that it would otherwise get all at once in
  // Sync. Only a hint: without it, Sync takes longer.
  void StartWriteback() {
    constexpr off_t kStretchBytes = off_t{8} << 20;
    if (written_bytes_ - handed_over_bytes_ < kStretchBytes) return;
    ::sync_file_range(descriptor_.get(), handed_over_bytes_,
                      written_bytes_ - handed_over_bytes_,
                      SYNC_FILE_RANGE_WRITE);
    handed_over_bytes_ = written_bytes_;
  }

  const std::string path_;
  ScopedDescriptor descriptor_;
  std::string buffer_;
  off_t written_bytes_ = 0;
  off_t handed_over_bytes_ = 0;  // To the device.
};

class PosixPathLock : public PathLock {
 public:
  explicit PosixPathLock(ScopedDescriptor descriptor)
      : descriptor_(std::move(descriptor)) {}

 private:
  ScopedDescriptor descriptor_;
};

absl::StatusOr<ScopedDescriptor> OpenDirectory(absl::string_view path) {
  ScopedDescriptor descriptor(
      ::open(std::string(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (descriptor.get() < 0) return LastError("opening directory", path);
  return descriptor;
}

absl::Status RenameWithFlags(absl::string_view from, absl::string_view to,
                             unsigned int flags, absl::string_view doing) {
  const MutationSection section;
  if (::renameat2(AT_FDCWD, std::string(from).c_str(), AT_FDCWD,
                  std::string(to).c_str(), flags) == 0) {
    return absl::OkStatus();
  }
  if (errno == EINVAL || errno == ENOSYS) {
    return absl::UnimplementedError(
        absl::StrCat(doing, " ", to, ": not supported by this file system"));
  }
  return LastError(doing, absl::StrCat(from, " -> ", to));
}

class PosixFileSystemImpl : public FileSystem {
 public:
  absl::StatusOr<std::unique_ptr<WritableFile>> CreateFile(
      absl::string_view path) override {
    const MutationSection section;
    std::string name(path);
    ScopedDescriptor descriptor(
        ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (descriptor.get() < 0) return LastError("creating", path);
    // Without locks, no other process takes the file for abandoned either.
    ::flock(descriptor.get(), LOCK_EX | LOCK_NB);
    return std::make_unique<PosixWritableFile>(std::move(name),
                                               std::move(descriptor));
  }

  absl::Status CreateDirectory(absl::string_view path) override {
    const MutationSection section;
    if (::mkdir(std::string(path).c_str(), 0777) != 0) {
      return LastError("creating directory", path);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::unique_ptr<PathLock>> TryLock(
      absl::string_view path) override {
    ScopedDescriptor descriptor(
        ::open(std::string(path).c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    if (descriptor.get() < 0) return LastError("opening", path);
    if (::flock(descriptor.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EWOULDBLOCK) return std::unique_ptr<PathLock>();
      if (errno == ENOLCK || errno == EOPNOTSUPP || errno == ENOSYS ||
          errno == EINVAL) {
        return absl::UnimplementedError(
            absl::StrCat("locking ", path, ": no locks on this file system"));
      }
      return LastError("locking", path);
    }
    return std::make_unique<PosixPathLock>(std::move(descriptor));
  }

  absl::Status ReplaceFile(absl::string_view from,
                           absl::string_view to) override {
    const MutationSection section;
    if (::rename(std::string(from).c_str(), std::string(to).c_str()) != 0) {
      return LastError("renaming", absl::StrCat(from, " -> ", to));
    }
    return absl::OkStatus();
  }

  absl::Status MoveToNewName(absl::string_view from,
                             absl::string_view to) override {
    const absl::Status status =
        RenameWithFlags(from, to, RENAME_NOREPLACE, "renaming");
    if (!absl::IsUnimplemented(status)) return status;
    // Without the flag, only what appears between this look and the rename
    // could be replaced, and of directories only an empty one.
    if (PathExists(to)) {
      return absl::AlreadyExistsError(absl::StrCat(to, " already exists"));
    }
    return ReplaceFile(from, to);
  }

  absl::Status ExchangeDirectories(absl::string_view a,
                                   absl::string_view b) override {
    return RenameWithFlags(a, b, RENAME_EXCHANGE, "exchanging");
  }

  absl::Status RemoveAll(absl::string_view path) override {
    const MutationSection section;
    return PathExists(path) ? RemoveTree(std::string(path)) : absl::OkStatus();
  }

  absl::Status RemoveEmptyDirectory(absl::string_view path) override {
    const MutationSection section;
    if (::rmdir(std::string(path).c_str()) == 0) return absl::OkStatus();
    if (errno == ENOTEMPTY || errno == EEXIST) {
      return absl::FailedPreconditionError(absl::StrCat(path, " is not empty"));
    }
    return LastError("removing", path);
  }

  absl::Status SyncDirectory(absl::string_view path) override {
    MOE_ASSIGN_OR_RETURN(const ScopedDescriptor descriptor,
                         OpenDirectory(path));
    // Some network file systems do not sync directories, and say so.
    if (::fsync(descriptor.get()) != 0 && errno != EINVAL && errno != ENOTSUP) {
      return LastError("syncing", path);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<uint64_t> FreeBytes(absl::string_view path) override {
    struct statvfs info;
    if (::statvfs(std::string(path).c_str(), &info) != 0) {
      return LastError("asking for the free space of", path);
    }
    return uint64_t{info.f_bavail} * uint64_t{info.f_frsize};
  }
};

}  // namespace

FileSystem& PosixFileSystem() {
  static PosixFileSystemImpl* const kInstance = new PosixFileSystemImpl;
  return *kInstance;
}

PathParts SplitPath(absl::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  const size_t slash = path.rfind('/');
  if (slash == absl::string_view::npos) return {".", std::string(path)};
  if (slash == 0) return {"/", std::string(path.substr(1))};
  return {std::string(path.substr(0, slash)),
          std::string(path.substr(slash + 1))};
}

absl::StatusOr<std::vector<std::string>> ListDirectory(absl::string_view path) {
  std::error_code error;
  std::filesystem::directory_iterator entry(std::string(path), error);
  std::vector<std::string> names;
  for (; !error && entry != std::filesystem::directory_iterator();
       entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  if (error) {
    errno = error.value();
    return LastError("listing", path);
  }
  std::sort(names.begin(), names.end());
  return names;
}

bool PathExists(absl::string_view path) {
  struct stat info;
  return ::lstat(std::string(path).c_str(), &info) == 0;
}

bool IsMountPoint(absl::string_view path) {
  struct statx info;
  struct stat parent;
  if (::statx(AT_FDCWD, std::string(path).c_str(), 0, STATX_BASIC_STATS,
              &info) != 0 ||
      ::stat(SplitPath(path).parent.c_str(), &parent) != 0) {
    return false;
  }
  // Older systems know no such attribute; there, a folder that is mounted from
  // the same device is found when it cannot be renamed.
  const bool is_root =
      (info.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) != 0 &&
      (info.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
  return is_root || gnu_dev_makedev(info.stx_dev_major, info.stx_dev_minor) !=
                        parent.st_dev;
}

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

}  // namespace moe::base
