// Files and directories that appear whole or not at all.
//
// What is written goes to a sibling of the target, is synced to the device, and
// is then renamed. Whenever the process ends, however it ends, the target is
// what it was before or what it was meant to become. What a killed process left
// behind (`.NAME.partial-PID-N`) is removed by the next writer of the same
// target, where the file system has locks to tell it from what is being
// written.
//
//   MOE_ASSIGN_OR_RETURN(auto writer, AtomicDirectoryWriter::Create(path, {}));
//   MOE_RETURN_IF_ERROR(writer->WriteFile("config.json", text));
//   MOE_RETURN_IF_ERROR(writer->Commit());

#ifndef MOE_BASE_ATOMIC_WRITE_H_
#define MOE_BASE_ATOMIC_WRITE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/base/file_system.h"

namespace moe {

struct AtomicDirectoryOptions {
  // Replace a target that exists. Otherwise it is refused, before anything is
  // written and again when the new directory would take its place.
  bool overwrite = false;
  // Refused at once with ResourceExhausted if the device has less.
  uint64_t required_bytes = 0;
  // With `overwrite`, whether the directory at the target may be removed: OK,
  // or the error to give. Keeps a mistyped path from costing a user a directory
  // of something else. An empty directory is always replaced.
  std::function<absl::Status(absl::string_view path)> check_replaceable;
  FileSystem* file_system = &PosixFileSystem();
};

class AtomicDirectoryWriter {
 public:
  // Makes missing parent directories. AlreadyExists, ResourceExhausted as
  // above; InvalidArgument for a target that nothing can be renamed to: not the
  // name of a directory, or a mount point.
  static absl::StatusOr<std::unique_ptr<AtomicDirectoryWriter>> Create(
      absl::string_view target, AtomicDirectoryOptions options);

  AtomicDirectoryWriter(const AtomicDirectoryWriter&) = delete;
  AtomicDirectoryWriter& operator=(const AtomicDirectoryWriter&) = delete;
  // Without Commit, removes what was written.
  ~AtomicDirectoryWriter();

  // `name` is a plain file name, without separators. The caller closes the file
  // after Sync; Commit syncs names only.
  absl::StatusOr<std::unique_ptr<WritableFile>> CreateFile(
      absl::string_view name);
  // CreateFile, Append, Sync, Close.
  absl::Status WriteFile(absl::string_view name, absl::string_view contents);

  // Puts the directory in the target's place. Nothing can be written
  // afterwards.
  absl::Status Commit();

  const std::string& target() const { return target_; }

 private:
  AtomicDirectoryWriter(std::string target, AtomicDirectoryOptions options)
      : target_(std::move(target)), options_(std::move(options)) {}

  absl::Status CheckTarget() const;
  absl::Status CheckFreeSpace() const;
  absl::Status CreateStaging();
  absl::Status TakeTargetsPlace();
  absl::Status ReplaceTarget();

  const std::string target_;
  const AtomicDirectoryOptions options_;
  std::string parent_;
  std::string staging_;  // Empty before Create is done and after Commit.
  std::unique_ptr<PathLock> lock_;  // Null where there are no locks.
};

// Writes one file: a sibling, synced, then renamed over `path`. `write` gets
// the open file and only appends. AlreadyExists if the file exists and
// `overwrite` is not set, before it is written and again when it would get its
// name.
absl::Status WriteFileAtomically(
    absl::string_view path, bool overwrite,
    const std::function<absl::Status(WritableFile&)>& write,
    FileSystem& file_system = PosixFileSystem());

}  // namespace moe

#endif  // MOE_BASE_ATOMIC_WRITE_H_
