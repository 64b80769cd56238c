// Files and directories that appear whole or not at all.
//
// What is written goes to a staging directory beside the target, is synced to
// the device, and is then renamed. Whenever the process ends, however it ends,
// the target is what it was before or what it was meant to become; see
// StagingDirectory for what becomes of the rest. A target that is a symbolic
// link is followed, once: the link stays, and what it leads to is the target.
//
//   MOE_ASSIGN_OR_RETURN(auto writer, AtomicDirectoryWriter::Create(
//       path, {.kind = "checkpoint"}));
//   MOE_RETURN_IF_ERROR(writer->WriteFile("config.json", text));
//   MOE_RETURN_IF_ERROR(writer->Commit());

#ifndef MOE_BASE_ATOMIC_WRITE_H_
#define MOE_BASE_ATOMIC_WRITE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/base/file_system.h"
#include "moe/base/staging_directory.h"

namespace moe::base {

struct AtomicDirectoryOptions {
  // What it is, for its record and for messages: "checkpoint".
  std::string kind = "result";
  // Replace a directory of this kind that holds what its record says and
  // nothing else (CheckMadeByUs). Otherwise whatever is there is refused but an
  // empty directory, before anything is written and again when the new
  // directory would take its place.
  bool overwrite = false;
  // Refused at once with ResourceExhausted if the device has less.
  uint64_t required_bytes = 0;
  FileSystem* file_system = &PosixFileSystem();
};

class AtomicDirectoryWriter {
 public:
  // Makes missing parent directories. AlreadyExists, FailedPrecondition,
  // ResourceExhausted as above; InvalidArgument for a target that nothing can
  // be renamed to: not the name of a directory, a mount point, a chain of
  // links.
  static absl::StatusOr<std::unique_ptr<AtomicDirectoryWriter>> Create(
      absl::string_view target, AtomicDirectoryOptions options);

  AtomicDirectoryWriter(const AtomicDirectoryWriter&) = delete;
  AtomicDirectoryWriter& operator=(const AtomicDirectoryWriter&) = delete;
  // Without Commit, removes what was written.
  ~AtomicDirectoryWriter();

  // `name` is a plain file name, or FOLDER/NAME of two such, for a file in a
  // folder of the directory, which is made with its first file. The caller
  // closes the file after Sync; Commit syncs names only.
  absl::StatusOr<std::unique_ptr<WritableFile>> CreateFile(
      absl::string_view name);
  // CreateFile, Append, Sync, Close.
  absl::Status WriteFile(absl::string_view name, absl::string_view contents);

  // Writes the directory's record (WriteManifest) and puts it in the target's
  // place. Nothing can be written afterwards.
  absl::Status Commit();

  const std::string& target() const { return target_; }

 private:
  AtomicDirectoryWriter(std::string target, AtomicDirectoryOptions options)
      : target_(std::move(target)), options_(std::move(options)) {}

  absl::Status CheckTarget() const;
  absl::Status CheckFreeSpace() const;
  absl::Status MakeFolder(const std::string& folder);
  absl::Status TakeTargetsPlace();

  const std::string target_;
  const AtomicDirectoryOptions options_;
  // Null before Create is done and after Commit.
  std::unique_ptr<StagingDirectory> staging_;
  std::set<std::string> folders_;  // That were made in the directory.
};

// Puts the directory at `staging.content()`, which has a record, in the place
// of `target`: absent, empty, or with the record of one of the same kind. The
// old one goes last. FailedPrecondition, and everything as it was, if it holds
// anything else.
absl::Status MoveIntoPlace(StagingDirectory& staging, absl::string_view target,
                           absl::string_view kind, FileSystem& file_system);

// Writes one file: beside `path`, synced, then renamed over it. `write` gets
// the open file and only appends. AlreadyExists if the file exists and
// `overwrite` is not set, before it is written and again when it would get its
// name. InvalidArgument if a device, a pipe or a socket stands there.
absl::Status WriteFileAtomically(
    absl::string_view path, bool overwrite,
    const std::function<absl::Status(WritableFile&)>& write,
    FileSystem& file_system = PosixFileSystem());

// Writes a copy of a file with WriteFileAtomically. What is there already is
// AlreadyExists.
absl::Status CopyFileAtomically(absl::string_view from, absl::string_view to);

// Appends the bytes of a file to another.
absl::Status AppendFile(absl::string_view from, WritableFile& to);

}  // namespace moe::base

#endif  // MOE_BASE_ATOMIC_WRITE_H_
