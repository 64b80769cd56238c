#include "moe/base/atomic_write.h"

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/byte_size.h"
#include "moe/base/check.h"
#include "moe/base/directory_manifest.h"
#include "moe/base/file_system.h"
#include "moe/base/mutation_gate.h"
#include "moe/base/path_overlap.h"
#include "moe/base/random_access_file.h"
#include "moe/base/staging_directory.h"
#include "moe/base/status_macros.h"

namespace moe::base {
namespace {

// More that were kept cannot stand beside one target.
constexpr int kMaxReplaced = 1000;

absl::Status AlreadyExists(absl::string_view path) {
  return absl::AlreadyExistsError(absl::StrCat(
      path, " already exists; choose another path, or pass --overwrite"));
}

bool IsEmptyDirectory(absl::string_view path) {
  const absl::StatusOr<std::vector<std::string>> names = ListDirectory(path);
  return names.ok() && names->empty();
}

bool IsPlainName(absl::string_view name) {
  return !name.empty() && name != "." && name != "..";
}

// Moves what is at `path` to a name beside it, and returns that name. It does
// not look like a staging directory, which the next writer removes: this is the
// user's own data.
absl::StatusOr<std::string> SetAside(absl::string_view path,
                                     FileSystem& file_system) {
  const PathParts parts = SplitPath(path);
  for (int attempt = 0; attempt < kMaxReplaced; ++attempt) {
    const std::string aside = absl::StrCat(
        parts.parent, "/.", parts.name, ".replaced-", ::getpid(), "-", attempt);
    const absl::Status moved = file_system.MoveToNewName(path, aside);
    if (moved.ok()) return aside;
    if (!absl::IsAlreadyExists(moved)) return moved;
  }
  return absl::ResourceExhaustedError(absl::StrCat("no free name beside ", path,
                                                   "; look at those that begin "
                                                   "with .",
                                                   parts.name, ".replaced-"));
}

// Without an exchange the target is absent for a moment, and never partial.
absl::Status ReplaceInTwoSteps(const std::string& content,
                               absl::string_view target, absl::string_view kind,
                               FileSystem& file_system) {
  const MutationSection section;
  MOE_ASSIGN_OR_RETURN(const std::string old, SetAside(target, file_system));
  const absl::Status moved = file_system.MoveToNewName(content, target);
  const std::string is_at =
      absl::StrCat("what was at ", target, " is now at ", old);
  if (moved.ok()) {
    // What came into it since it was looked at is not lost.
    MOE_RETURN_IF_ERROR(Annotate(CheckReplaceable(old, kind), is_at));
    file_system.RemoveAll(old).IgnoreError();
    return absl::OkStatus();
  }
  if (file_system.MoveToNewName(old, target).ok()) return moved;
  return Annotate(moved, is_at);
}

}  // namespace

absl::StatusOr<std::unique_ptr<AtomicDirectoryWriter>>
AtomicDirectoryWriter::Create(absl::string_view target,
                              AtomicDirectoryOptions options) {
  MOE_RETURN_IF_ERROR(CheckTargetName(target));
  MOE_ASSIGN_OR_RETURN(std::string followed, FollowTargetLink(target));
  std::unique_ptr<AtomicDirectoryWriter> writer(
      new AtomicDirectoryWriter(std::move(followed), std::move(options)));
  MOE_RETURN_IF_ERROR(writer->CheckTarget());
  FileSystem& file_system = *writer->options_.file_system;
  MOE_RETURN_IF_ERROR(writer->CheckFreeSpace());
  MOE_ASSIGN_OR_RETURN(writer->staging_,
                       StagingDirectory::Create(writer->target_, file_system));
  MOE_RETURN_IF_ERROR(file_system.CreateDirectory(writer->staging_->content()));
  return writer;
}

AtomicDirectoryWriter::~AtomicDirectoryWriter() = default;

absl::Status AtomicDirectoryWriter::CheckTarget() const {
  if (!PathExists(target_)) return absl::OkStatus();
  if (IsMountPoint(target_)) {
    return absl::InvalidArgumentError(absl::StrCat(
        target_,
        " is a mount point, which cannot be replaced as a whole; give "
        "the path of a directory inside it"));
  }
  if (IsEmptyDirectory(target_)) return absl::OkStatus();
  if (!options_.overwrite) return AlreadyExists(target_);
  return CheckReplaceable(target_, options_.kind);
}

absl::Status AtomicDirectoryWriter::CheckFreeSpace() const {
  std::string above = SplitPath(target_).parent;
  while (!PathExists(above)) above = SplitPath(above).parent;
  MOE_ASSIGN_OR_RETURN(const uint64_t free_bytes,
                       options_.file_system->FreeBytes(above));
  if (free_bytes >= options_.required_bytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(
      "writing ", target_, " needs ",
      FormatByteSize(static_cast<int64_t>(options_.required_bytes)), ", and ",
      above, " has ", FormatByteSize(static_cast<int64_t>(free_bytes)),
      " free; free some space or choose another path"));
}

absl::Status AtomicDirectoryWriter::MakeFolder(const std::string& folder) {
  if (folders_.count(folder) > 0) return absl::OkStatus();
  MOE_RETURN_IF_ERROR(options_.file_system->CreateDirectory(
      absl::StrCat(staging_->content(), "/", folder)));
  folders_.insert(folder);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<WritableFile>> AtomicDirectoryWriter::CreateFile(
    absl::string_view name) {
  MOE_CHECK(staging_ != nullptr);
  const std::vector<std::string> parts = absl::StrSplit(name, '/');
  if (parts.size() > 2 ||
      !std::all_of(parts.begin(), parts.end(), IsPlainName)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", name, "\" is not a plain file name, or FOLDER/NAME"));
  }
  if (parts.size() == 2) MOE_RETURN_IF_ERROR(MakeFolder(parts[0]));
  return options_.file_system->CreateFile(
      absl::StrCat(staging_->content(), "/", name));
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
  MOE_CHECK(staging_ != nullptr);
  FileSystem& file_system = *options_.file_system;
  MOE_RETURN_IF_ERROR(
      WriteManifest(file_system, staging_->content(), options_.kind));
  for (const std::string& folder : folders_) {
    MOE_RETURN_IF_ERROR(file_system.SyncDirectory(
        absl::StrCat(staging_->content(), "/", folder)));
  }
  MOE_RETURN_IF_ERROR(file_system.SyncDirectory(staging_->content()));
  MOE_RETURN_IF_ERROR(TakeTargetsPlace());
  const std::string parent = staging_->parent();
  staging_.reset();
  return file_system.SyncDirectory(parent);
}

absl::Status AtomicDirectoryWriter::TakeTargetsPlace() {
  // Looked at again: much time may have passed since Create.
  MOE_RETURN_IF_ERROR(CheckTarget());
  return MoveIntoPlace(*staging_, target_, options_.kind,
                       *options_.file_system);
}

absl::Status MoveIntoPlace(StagingDirectory& staging, absl::string_view target,
                           absl::string_view kind, FileSystem& file_system) {
  const std::string& content = staging.content();
  if (!PathExists(target)) {
    const absl::Status moved = file_system.MoveToNewName(content, target);
    return absl::IsAlreadyExists(moved) ? AlreadyExists(target) : moved;
  }
  // A rename replaces a directory only while it is empty.
  if (IsEmptyDirectory(target)) return file_system.ReplaceFile(content, target);
  MOE_RETURN_IF_ERROR(CheckReplaceable(target, kind));
  const absl::Status exchanged =
      file_system.ExchangeDirectories(content, target);
  if (absl::IsUnimplemented(exchanged)) {
    return ReplaceInTwoSteps(content, target, kind, file_system);
  }
  MOE_RETURN_IF_ERROR(exchanged);
  // What came into the old directory since it was looked at is not lost.
  const absl::Status still = CheckReplaceable(content, kind);
  if (!still.ok()) {
    MOE_RETURN_IF_ERROR(file_system.ExchangeDirectories(content, target));
    return still;
  }
  // The new one stands whether or not the old one can be removed.
  file_system.RemoveAll(content).IgnoreError();
  return absl::OkStatus();
}

namespace {

// A device or a pipe that is renamed over is gone for every program.
absl::Status CheckIsNoDevice(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_other(path, error) || error) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      path,
      ": expected a regular file or the name of a new one, found a device, "
      "pipe or socket; choose another path"));
}

}  // namespace

absl::Status WriteFileAtomically(
    absl::string_view path, bool overwrite,
    const std::function<absl::Status(WritableFile&)>& write,
    FileSystem& file_system) {
  MOE_ASSIGN_OR_RETURN(const std::string target, FollowTargetLink(path));
  if (!overwrite && PathExists(target)) return AlreadyExists(target);
  MOE_RETURN_IF_ERROR(CheckIsNoDevice(target));
  std::string parent;
  {
    MOE_ASSIGN_OR_RETURN(const std::unique_ptr<StagingDirectory> staging,
                         StagingDirectory::Create(target, file_system));
    parent = staging->parent();
    const std::string& content = staging->content();
    MOE_ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file,
                         file_system.CreateFile(content));
    MOE_RETURN_IF_ERROR(write(*file));
    MOE_RETURN_IF_ERROR(file->Sync());
    MOE_RETURN_IF_ERROR(file->Close());
    const absl::Status moved = overwrite
                                   ? file_system.ReplaceFile(content, target)
                                   : file_system.MoveToNewName(content, target);
    if (absl::IsAlreadyExists(moved)) return AlreadyExists(target);
    MOE_RETURN_IF_ERROR(moved);
  }
  return file_system.SyncDirectory(parent);
}

absl::Status AppendFile(absl::string_view from, WritableFile& to) {
  constexpr uint64_t kPieceBytes = uint64_t{1} << 20;
  MOE_ASSIGN_OR_RETURN(const RandomAccessFile source,
                       RandomAccessFile::Open(from));
  std::string piece;
  for (uint64_t offset = 0; offset < source.size_bytes();
       offset += piece.size()) {
    piece.resize(std::min(kPieceBytes, source.size_bytes() - offset));
    MOE_RETURN_IF_ERROR(source.Read(offset, absl::MakeSpan(piece)));
    MOE_RETURN_IF_ERROR(to.Append(piece));
  }
  return absl::OkStatus();
}

absl::Status CopyFileAtomically(absl::string_view from, absl::string_view to) {
  return WriteFileAtomically(to, /*overwrite=*/false, [&](WritableFile& file) {
    return AppendFile(from, file);
  });
}

}  // namespace moe::base
