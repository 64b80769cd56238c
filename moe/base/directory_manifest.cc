#include "moe/base/directory_manifest.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "moe/base/file_system.h"
#include "moe/base/random_access_file.h"
#include "moe/base/status_macros.h"

namespace moe::base {
namespace {

// A name and a size for each of a hundred thousand files.
constexpr uint64_t kMaxManifestBytes = uint64_t{16} << 20;

// The lines of a record, without the first, by the name of the file. What is
// neither a file nor a directory has a size of its own kind.
using Lines = std::map<std::string, std::string>;

std::string FirstLine(absl::string_view kind) {
  return absl::StrCat("llama_moe ", kind, "\n");
}

absl::Status CollectLines(const std::string& directory,
                          const std::string& prefix, Lines& lines) {
  MOE_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                       ListDirectory(directory));
  for (const std::string& name : names) {
    if (prefix.empty() && name == kManifestFile) continue;
    const std::string path = absl::StrCat(directory, "/", name);
    const std::string shown = absl::StrCat(prefix, name);
    struct stat info;
    const bool there = ::lstat(path.c_str(), &info) == 0;
    if (there && S_ISDIR(info.st_mode)) {
      MOE_RETURN_IF_ERROR(CollectLines(path, shown + "/", lines));
    }
    const std::string size =
        !there || !S_ISREG(info.st_mode)
            ? (there && S_ISDIR(info.st_mode) ? "dir" : "?")
            : absl::StrCat(info.st_size);
    lines[shown] = absl::StrCat(size, " ", absl::CHexEscape(shown), "\n");
  }
  return absl::OkStatus();
}

std::string FormatManifest(absl::string_view kind, const Lines& lines) {
  std::string text = FirstLine(kind);
  for (const auto& [name, line] : lines) text += line;
  return text;
}

// A few of the names, for a message.
std::string Some(std::vector<std::string> names) {
  constexpr size_t kShown = 3;
  const size_t count = names.size();
  names.resize(std::min(count, kShown));
  for (std::string& name : names) name = absl::CHexEscape(name);
  std::string text = absl::StrJoin(names, ", ");
  if (count > kShown) absl::StrAppend(&text, " and ", count - kShown, " more");
  return text;
}

absl::Status Refuse(absl::string_view directory, absl::string_view kind,
                    absl::string_view found, absl::string_view todo) {
  return absl::FailedPreconditionError(
      absl::StrCat(directory, ": expected a ", kind,
                   " that llama_moe wrote and nothing else, found ", found,
                   "; nothing is replaced: ", todo));
}

constexpr char kChoose[] =
    "choose another path, or remove the directory yourself";
constexpr char kMove[] =
    "choose another path, or move them out of the directory";

// What the directory has and the record does not, or not like that. A file that
// is missing is no loss.
absl::Status CompareLines(absl::string_view directory, absl::string_view kind,
                          const std::string& manifest, const Lines& lines) {
  std::vector<std::string> foreign;
  std::vector<std::string> changed;
  for (const auto& [name, line] : lines) {
    if (absl::StrContains(manifest, absl::StrCat("\n", line))) continue;
    const std::string end = absl::StrCat(" ", absl::CHexEscape(name), "\n");
    (absl::StrContains(manifest, end) ? changed : foreign).push_back(name);
  }
  if (!foreign.empty()) {
    return Refuse(directory, kind, absl::StrCat("also ", Some(foreign)), kMove);
  }
  if (changed.empty()) return absl::OkStatus();
  return Refuse(directory, kind,
                absl::StrCat("another size of ", Some(changed)), kChoose);
}

// What was written to after the record was.
absl::Status CompareTimes(absl::string_view directory, absl::string_view kind,
                          const Lines& lines) {
  MOE_ASSIGN_OR_RETURN(const FileStamp record,
                       StampOf(absl::StrCat(directory, "/", kManifestFile)));
  std::vector<std::string> newer;
  for (const auto& [name, line] : lines) {
    if (line.front() == 'd') continue;
    MOE_ASSIGN_OR_RETURN(const FileStamp stamp,
                         StampOf(absl::StrCat(directory, "/", name)));
    if (stamp.modified_nsec > record.modified_nsec) newer.push_back(name);
  }
  if (newer.empty()) return absl::OkStatus();
  return Refuse(directory, kind,
                absl::StrCat("that ", Some(newer),
                             " was changed, or copied, after it was written"),
                kChoose);
}

}  // namespace

absl::Status WriteManifest(FileSystem& file_system, absl::string_view directory,
                           absl::string_view kind) {
  Lines lines;
  MOE_RETURN_IF_ERROR(CollectLines(std::string(directory), "", lines));
  const std::string path = absl::StrCat(directory, "/", kManifestFile);
  if (PathExists(path)) MOE_RETURN_IF_ERROR(file_system.RemoveAll(path));
  MOE_ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file,
                       file_system.CreateFile(path));
  MOE_RETURN_IF_ERROR(file->Append(FormatManifest(kind, lines)));
  MOE_RETURN_IF_ERROR(file->Sync());
  return file->Close();
}

absl::Status CheckMadeByUs(absl::string_view directory,
                           absl::string_view kind) {
  const std::string path = absl::StrCat(directory, "/", kManifestFile);
  Lines lines;
  MOE_RETURN_IF_ERROR(CollectLines(std::string(directory), "", lines));
  const absl::StatusOr<std::string> manifest =
      ReadFile(path, kMaxManifestBytes);
  if (!manifest.ok()) {
    return Refuse(directory, kind,
                  absl::StrCat("no record of one (", kManifestFile, ")"),
                  kChoose);
  }
  if (!absl::StartsWith(*manifest, FirstLine(kind))) {
    return Refuse(directory, kind,
                  absl::StrCat("the record of something else (", path, ")"),
                  kChoose);
  }
  MOE_RETURN_IF_ERROR(CompareLines(directory, kind, *manifest, lines));
  return CompareTimes(directory, kind, lines);
}

absl::Status CheckReplaceable(absl::string_view directory,
                              absl::string_view kind) {
  MOE_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                       ListDirectory(directory));
  return names.empty() ? absl::OkStatus() : CheckMadeByUs(directory, kind);
}

}  // namespace moe::base
