#include "moe/base/atomic_write.h"

#include <unistd.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/byte_size.h"
#include "moe/base/check.h"
#include "moe/base/file_system.h"
#include "moe/base/status_macros.h"

namespace moe {
namespace {

// More siblings than this of one process cannot be alive.
constexpr int kMaxSiblings = 1000;

absl::Status CreateMissingDirectories(FileSystem& file_system,
                                      absl::string_view path) {
  if (PathExists(path)) return absl::OkStatus();
  MOE_RETURN_IF_ERROR(
      CreateMissingDirectories(file_system, SplitPath(path).parent));
  const absl::Status status = file_system.CreateDirectory(path);
  return absl::IsAlreadyExists(status) ? absl::OkStatus() : status;
}

absl::Status AlreadyExists(absl::string_view path) {
  return absl::AlreadyExistsError(absl::StrCat(
      path, " already exists; choose another path, or pass --overwrite"));
}

// Names beside the target that say what they are to a person who finds them.
std::string PartialPrefix(absl::string_view target) {
  const PathParts parts = SplitPath(target);
  return absl::StrCat(parts.parent, "/.", parts.name, ".partial-");
}

// Not a partial one, which the next writer removes: this is the user's own
// data.
std::string ReplacedPrefix(absl::string_view target) {
  const PathParts parts = SplitPath(target);
  return absl::StrCat(parts.parent, "/.", parts.name, ".replaced-");
}

std::string Sibling(absl::string_view prefix, int attempt) {
  return absl::StrCat(prefix, ::getpid(), "-", attempt);
}

absl::Status NoFreeSibling(absl::string_view target) {
  return absl::ResourceExhaustedError(
      absl::StrCat("no free name for a sibling of ", target,
                   "; remove those that begin with ", PartialPrefix(target)));
}

// Removes what killed writers of the target left. A live writer holds the lock;
// where the lock is free its writer is gone. What cannot be locked, looked at
// or removed is left: it does no harm.
void RemoveAbandoned(FileSystem& file_system, absl::string_view target) {
  const PathParts parts = SplitPath(target);
  const absl::StatusOr<std::vector<std::string>> names =
      ListDirectory(parts.parent);
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    const std::string path = absl::StrCat(parts.parent, "/", name);
    if (!absl::StartsWith(path, PartialPrefix(target))) continue;
    const absl::StatusOr<std::unique_ptr<PathLock>> lock =
        file_system.TryLock(path);
    if (lock.ok() && *lock != nullptr) {
      file_system.RemoveAll(path).IgnoreError();
    }
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<AtomicDirectoryWriter>>
AtomicDirectoryWriter::Create(absl::string_view target,
                              AtomicDirectoryOptions options) {
  while (target.size() > 1 && target.back() == '/') target.remove_suffix(1);
  const PathParts parts = SplitPath(target);
  if (parts.name.empty() || parts.name == "." || parts.name == "..") {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", target,
                     "\" does not name a directory that can be written; "
                     "give the path of the new directory itself"));
  }
  std::unique_ptr<AtomicDirectoryWriter> writer(
      new AtomicDirectoryWriter(std::string(target), std::move(options)));
  writer->parent_ = parts.parent;
  MOE_RETURN_IF_ERROR(writer->CheckTarget());
  MOE_RETURN_IF_ERROR(
      CreateMissingDirectories(*writer->options_.file_system, parts.parent));
  RemoveAbandoned(*writer->options_.file_system, writer->target_);
  MOE_RETURN_IF_ERROR(writer->CheckFreeSpace());
  MOE_RETURN_IF_ERROR(writer->CreateStaging());
  return writer;
}

AtomicDirectoryWriter::~AtomicDirectoryWriter() {
  if (!staging_.empty()) {
    options_.file_system->RemoveAll(staging_).IgnoreError();
  }
}

absl::Status AtomicDirectoryWriter::CheckTarget() const {
  if (!PathExists(target_)) return absl::OkStatus();
  if (!options_.overwrite) return AlreadyExists(target_);
  if (IsOnOtherDeviceThanParent(target_)) {
    return absl::InvalidArgumentError(absl::StrCat(
        target_,
        " is a mount point, which cannot be replaced as a whole; give "
        "the path of a directory inside it"));
  }
  MOE_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                       ListDirectory(target_));
  if (names.empty() || !options_.check_replaceable) return absl::OkStatus();
  return options_.check_replaceable(target_);
}

absl::Status AtomicDirectoryWriter::CheckFreeSpace() const {
  MOE_ASSIGN_OR_RETURN(const uint64_t free_bytes,
                       options_.file_system->FreeBytes(parent_));
  if (free_bytes >= options_.required_bytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(
      "writing ", target_, " needs ",
      FormatByteSize(static_cast<int64_t>(options_.required_bytes)), ", and ",
      parent_, " has ", FormatByteSize(static_cast<int64_t>(free_bytes)),
      " free; free some space or choose another path"));
}

absl::Status AtomicDirectoryWriter::CreateStaging() {
  FileSystem& file_system = *options_.file_system;
  for (int attempt = 0; attempt < kMaxSiblings; ++attempt) {
    const std::string path = Sibling(PartialPrefix(target_), attempt);
    const absl::Status created = file_system.CreateDirectory(path);
    if (absl::IsAlreadyExists(created)) continue;
    MOE_RETURN_IF_ERROR(created);
    absl::StatusOr<std::unique_ptr<PathLock>> lock = file_system.TryLock(path);
    // Another writer may have taken the directory for abandoned, locked and
    // removed it, in the moment before it was locked here.
    const bool taken = lock.ok() && *lock == nullptr;
    if (taken || !PathExists(path)) continue;
    // Where there are no locks, nobody takes it for abandoned.
    if (lock.ok()) lock_ = *std::move(lock);
    staging_ = path;
    return absl::OkStatus();
  }
  return NoFreeSibling(target_);
}

absl::StatusOr<std::unique_ptr<WritableFile>> AtomicDirectoryWriter::CreateFile(
    absl::string_view name) {
  MOE_CHECK(!staging_.empty());
  if (name.empty() || name == "." || name == ".." ||
      absl::StrContains(name, '/')) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", name, "\" is not a plain file name"));
  }
  return options_.file_system->CreateFile(absl::StrCat(staging_, "/", name));
}

absl::Status AtomicDirectoryWriter::WriteFile(absl::string_view name,
                                              absl::string_view contents) {
  MOE_ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file,
                       CreateFile(name));
  MOE_RETURN_IF_ERROR(file->Append(contents));
  MOE_RETURN_IF_ERROR(file->Sync());
  return file->Close();
}

absl::Status AtomicDirectoryWriter::Commit() {
  MOE_CHECK(!staging_.empty());
  MOE_RETURN_IF_ERROR(options_.file_system->SyncDirectory(staging_));
  MOE_RETURN_IF_ERROR(TakeTargetsPlace());
  staging_.clear();
  lock_.reset();
  return options_.file_system->SyncDirectory(parent_);
}

absl::Status AtomicDirectoryWriter::TakeTargetsPlace() {
  // Looked at again: much time may have passed since Create.
  MOE_RETURN_IF_ERROR(CheckTarget());
  if (options_.overwrite && PathExists(target_)) return ReplaceTarget();
  const absl::Status moved =
      options_.file_system->MoveToNewName(staging_, target_);
  return absl::IsAlreadyExists(moved) ? AlreadyExists(target_) : moved;
}

absl::Status AtomicDirectoryWriter::ReplaceTarget() {
  FileSystem& file_system = *options_.file_system;
  const absl::Status exchanged =
      file_system.ExchangeDirectories(staging_, target_);
  if (!absl::IsUnimplemented(exchanged)) {
    MOE_RETURN_IF_ERROR(exchanged);
    // The sibling is now the old directory. The new one stands whether or not
    // the old one can be removed.
    file_system.RemoveAll(staging_).IgnoreError();
    return absl::OkStatus();
  }
  // Without an exchange the target is absent for a moment, and never partial.
  std::string old;
  absl::Status moved = absl::AlreadyExistsError("");
  for (int attempt = 0; attempt < kMaxSiblings && absl::IsAlreadyExists(moved);
       ++attempt) {
    old = Sibling(ReplacedPrefix(target_), attempt);
    moved = file_system.MoveToNewName(target_, old);
  }
  MOE_RETURN_IF_ERROR(moved);
  moved = file_system.MoveToNewName(staging_, target_);
  if (moved.ok()) {
    file_system.RemoveAll(old).IgnoreError();
    return absl::OkStatus();
  }
  if (file_system.MoveToNewName(old, target_).ok()) return moved;
  return Annotate(moved,
                  absl::StrCat("what was at ", target_, " is now at ", old));
}

absl::Status WriteFileAtomically(
    absl::string_view path, bool overwrite,
    const std::function<absl::Status(WritableFile&)>& write,
    FileSystem& file_system) {
  if (!overwrite && PathExists(path)) return AlreadyExists(path);
  const std::string parent = SplitPath(path).parent;
  MOE_RETURN_IF_ERROR(CreateMissingDirectories(file_system, parent));
  RemoveAbandoned(file_system, path);
  absl::StatusOr<std::unique_ptr<WritableFile>> file =
      absl::AlreadyExistsError("");
  std::string sibling;
  for (int attempt = 0;
       attempt < kMaxSiblings && absl::IsAlreadyExists(file.status());
       ++attempt) {
    sibling = Sibling(PartialPrefix(path), attempt);
    file = file_system.CreateFile(sibling);
  }
  if (absl::IsAlreadyExists(file.status())) return NoFreeSibling(path);
  MOE_RETURN_IF_ERROR(file.status());
  absl::Cleanup remove = [&] { file_system.RemoveAll(sibling).IgnoreError(); };
  MOE_RETURN_IF_ERROR(write(**file));
  MOE_RETURN_IF_ERROR((*file)->Sync());
  MOE_RETURN_IF_ERROR((*file)->Close());
  const absl::Status moved = overwrite
                                 ? file_system.ReplaceFile(sibling, path)
                                 : file_system.MoveToNewName(sibling, path);
  if (absl::IsAlreadyExists(moved)) return AlreadyExists(path);
  MOE_RETURN_IF_ERROR(moved);
  std::move(remove).Cancel();
  return file_system.SyncDirectory(parent);
}

}  // namespace moe
