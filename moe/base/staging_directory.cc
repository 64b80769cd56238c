#include "moe/base/staging_directory.h"

#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "moe/base/file_system.h"
#include "moe/base/mutation_gate.h"
#include "moe/base/random_access_file.h"
#include "moe/base/status_macros.h"

namespace moe::base {
namespace {

// The mark, and what it holds.
constexpr char kMarkFile[] = ".llama_moe.partial";
constexpr char kMark[] =
    "llama_moe: what a command is writing, to be removed\n";

// More of one process cannot be alive at a time.
constexpr int kMaxAttempts = 1000;

// All that are alive, for RemoveAllStaging.
struct Registry {
  std::mutex mutex;
  std::set<StagingDirectory*> all;
};
Registry& Registered() {
  static Registry* const kRegistry = new Registry;
  return *kRegistry;
}

std::string PartialPrefix(absl::string_view name) {
  return absl::StrCat(".", name, ".partial-");
}

// A number as StrCat writes it: no sign, no zero in front.
bool IsPlainNumber(absl::string_view text) {
  int number = 0;
  return absl::SimpleAtoi(text, &number) && absl::StrCat(number) == text;
}

bool IsPartialName(absl::string_view found, absl::string_view name) {
  const std::string prefix = PartialPrefix(name);
  if (!absl::StartsWith(found, prefix)) return false;
  const std::vector<absl::string_view> parts =
      absl::StrSplit(found.substr(prefix.size()), '-');
  return parts.size() == 2 && IsPlainNumber(parts[0]) &&
         IsPlainNumber(parts[1]);
}

// With our mark, or without anything else: a process may be killed between
// making the directory and having marked it.
bool IsOurs(const std::string& path) {
  struct stat info;
  if (::lstat(path.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) return false;
  const absl::StatusOr<std::vector<std::string>> names = ListDirectory(path);
  if (!names.ok()) return false;
  if (names->empty()) return true;
  const absl::StatusOr<std::string> mark =
      ReadFile(absl::StrCat(path, "/", kMarkFile), sizeof(kMark));
  if (!mark.ok()) return false;
  return *mark == kMark ||
         (names->size() == 1 && absl::StartsWith(kMark, *mark));
}

// The mark goes last: what a killed process left half removed is still known.
absl::Status RemoveStaging(FileSystem& file_system, absl::string_view path,
                           absl::string_view name) {
  MOE_RETURN_IF_ERROR(file_system.RemoveAll(absl::StrCat(path, "/", name)));
  return file_system.RemoveAll(path);
}

absl::Status WriteMark(FileSystem& file_system, const std::string& directory) {
  MOE_ASSIGN_OR_RETURN(
      const std::unique_ptr<WritableFile> file,
      file_system.CreateFile(absl::StrCat(directory, "/", kMarkFile)));
  MOE_RETURN_IF_ERROR(file->Append(kMark));
  return file->Close();
}

}  // namespace

absl::Status CheckTargetName(absl::string_view target) {
  const std::string name = SplitPath(target).name;
  if (!name.empty() && name != "." && name != "..") return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("\"", target,
                   "\" does not name a file or directory that can be "
                   "written; give the path of the new one itself"));
}

StagingDirectory::StagingDirectory(absl::string_view target,
                                   FileSystem& file_system)
    : file_system_(file_system),
      target_(target),
      parent_(SplitPath(target).parent),
      name_(SplitPath(target).name) {
  const std::lock_guard<std::mutex> lock(Registered().mutex);
  Registered().all.insert(this);
}

absl::StatusOr<std::unique_ptr<StagingDirectory>> StagingDirectory::Create(
    absl::string_view target, FileSystem& file_system) {
  MOE_RETURN_IF_ERROR(CheckTargetName(target));
  auto staging = absl::WrapUnique(new StagingDirectory(target, file_system));
  MOE_RETURN_IF_ERROR(staging->MakeMissingParents(staging->parent_));
  staging->RemoveAbandoned();
  MOE_RETURN_IF_ERROR(staging->Make());
  return staging;
}

StagingDirectory::~StagingDirectory() {
  const MutationSection section;
  // Frees a descriptor, which removing takes.
  lock_.reset();
  if (!path_.empty()) RemoveStaging(file_system_, path_, name_).IgnoreError();
  RemoveMadeParents();
  const std::lock_guard<std::mutex> lock(Registered().mutex);
  Registered().all.erase(this);
}

void StagingDirectory::RemoveMadeParents() {
  if (PathExists(target_)) return;
  while (!made_parents_.empty()) {
    file_system_.RemoveEmptyDirectory(made_parents_.back()).IgnoreError();
    made_parents_.pop_back();
  }
}

absl::Status StagingDirectory::MakeMissingParents(const std::string& path) {
  if (PathExists(path)) return absl::OkStatus();
  MOE_RETURN_IF_ERROR(MakeMissingParents(SplitPath(path).parent));
  const MutationSection section;
  const absl::Status status = file_system_.CreateDirectory(path);
  if (status.ok()) made_parents_.push_back(path);
  return absl::IsAlreadyExists(status) ? absl::OkStatus() : status;
}

// A live writer holds the lock; where the lock is free its writer is gone. What
// cannot be locked, looked at or removed is left: it does no harm.
void StagingDirectory::RemoveAbandoned() {
  const absl::StatusOr<std::vector<std::string>> names = ListDirectory(parent_);
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    const std::string path = absl::StrCat(parent_, "/", name);
    if (!IsPartialName(name, name_) || !IsOurs(path)) continue;
    const absl::StatusOr<std::unique_ptr<PathLock>> lock =
        file_system_.TryLock(path);
    if (lock.ok() && *lock != nullptr) {
      RemoveStaging(file_system_, path, name_).IgnoreError();
    }
  }
}

absl::Status StagingDirectory::Make() {
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    const absl::Status status = MakeAt(absl::StrCat(
        parent_, "/", PartialPrefix(name_), ::getpid(), "-", attempt));
    if (!absl::IsAlreadyExists(status)) return status;
  }
  return absl::ResourceExhaustedError(
      absl::StrCat("no free name for a directory beside ", target_,
                   "; remove those that begin with ", PartialPrefix(name_)));
}

// AlreadyExists if another name has to be tried.
absl::Status StagingDirectory::MakeAt(const std::string& path) {
  const MutationSection section;
  MOE_RETURN_IF_ERROR(file_system_.CreateDirectory(path));
  path_ = path;
  absl::StatusOr<std::unique_ptr<PathLock>> lock = file_system_.TryLock(path);
  // Another writer may have taken the directory for abandoned, locked and
  // removed it, in the moment before it was locked here.
  const bool taken = lock.ok() && *lock == nullptr;
  if (taken || !PathExists(path)) {
    path_.clear();
    return absl::AlreadyExistsError("");
  }
  // Where there are no locks, nobody takes it for abandoned.
  if (!lock.ok() && !absl::IsUnimplemented(lock.status())) {
    return lock.status();
  }
  if (lock.ok()) lock_ = *std::move(lock);
  MOE_RETURN_IF_ERROR(WriteMark(file_system_, path));
  content_ = absl::StrCat(path, "/", name_);
  return absl::OkStatus();
}

void RemoveAllStaging() {
  const std::lock_guard<std::mutex> lock(Registered().mutex);
  for (StagingDirectory* const staging : Registered().all) {
    if (!staging->path_.empty()) {
      RemoveStaging(staging->file_system_, staging->path_, staging->name_)
          .IgnoreError();
    }
    staging->RemoveMadeParents();
  }
}

}  // namespace moe::base
