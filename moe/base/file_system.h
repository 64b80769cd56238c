// What the project asks of the file system when it writes.
//
// This is an interface so that a test can make any operation fail, or end the
// process there, and check what is left. Reads do not go through it, because
// they change nothing: see RandomAccessFile.

#ifndef MOE_BASE_FILE_SYSTEM_H_
#define MOE_BASE_FILE_SYSTEM_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace moe::base {

// A file that is being written, front to back. Destruction without Close closes
// the file, and its last bytes may be missing.
class WritableFile {
 public:
  virtual ~WritableFile() = default;
  virtual absl::Status Append(absl::string_view bytes) = 0;
  // Returns once everything appended is on the device.
  virtual absl::Status Sync() = 0;
  virtual absl::Status Close() = 0;
};

// A lock of the process that writes a file or directory. It ends with the
// object or with the process, however that ends.
class PathLock {
 public:
  virtual ~PathLock() = default;
};

// Every method reports what the system reports, with the path in the message.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // Makes a file that must not exist: AlreadyExists otherwise. It is locked, as
  // by TryLock, while it is open.
  virtual absl::StatusOr<std::unique_ptr<WritableFile>> CreateFile(
      absl::string_view path) = 0;
  // Makes a directory that must not exist: AlreadyExists otherwise.
  virtual absl::Status CreateDirectory(absl::string_view path) = 0;
  // Null where another holds the lock. Unimplemented where the file system has
  // no locks, as some network file systems.
  virtual absl::StatusOr<std::unique_ptr<PathLock>> TryLock(
      absl::string_view path) = 0;
  // Moves a file over another, or to a new name, in one step.
  virtual absl::Status ReplaceFile(absl::string_view from,
                                   absl::string_view to) = 0;
  // Moves a file or directory to a name that must not exist: AlreadyExists
  // otherwise.
  virtual absl::Status MoveToNewName(absl::string_view from,
                                     absl::string_view to) = 0;
  // Exchanges two directories in one step. Unimplemented where the file system
  // cannot.
  virtual absl::Status ExchangeDirectories(absl::string_view a,
                                           absl::string_view b) = 0;
  // Removes a file, or a directory with all it holds; links are not followed.
  virtual absl::Status RemoveAll(absl::string_view path) = 0;
  // FailedPrecondition if anything is in it.
  virtual absl::Status RemoveEmptyDirectory(absl::string_view path) = 0;
  // Makes the names in a directory durable, where the file system can.
  virtual absl::Status SyncDirectory(absl::string_view path) = 0;
  // What a process without privileges may still write below `path`.
  virtual absl::StatusOr<uint64_t> FreeBytes(absl::string_view path) = 0;
};

// The machine's own. Never destroyed.
FileSystem& PosixFileSystem();

// The part of `path` after the last separator, trailing separators aside, and
// the part before it ("." where there is none).
struct PathParts {
  std::string parent;
  std::string name;
};
PathParts SplitPath(absl::string_view path);

// The names in a directory, sorted.
absl::StatusOr<std::vector<std::string>> ListDirectory(absl::string_view path);

// Whether anything has that name, even a dangling link.
bool PathExists(absl::string_view path);

// Whether something is mounted at `path`, a device or another folder: nothing
// can be renamed to or from it. False if it does not exist.
bool IsMountPoint(absl::string_view path);

// absl::ErrnoToStatus. If a limit of the process or a full disk is the cause,
// the message also says what the limit is and how to raise it.
absl::Status ErrnoStatus(int error, absl::string_view doing);

}  // namespace moe::base

#endif  // MOE_BASE_FILE_SYSTEM_H_
