#include "moe/steps/output_path.h"

#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <system_error>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/file_system.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/safetensors_header.h"

namespace moe {
namespace {

absl::Status CheckDirectoryOf(const OutputTarget& file) {
  std::string directory = SplitPath(file.path).parent;
  while (!PathExists(directory)) directory = SplitPath(directory).parent;
  MOE_RETURN_IF_ERROR(Annotate(ListDirectory(directory).status(), file.flag));
  if (access(directory.c_str(), W_OK) == 0) return absl::OkStatus();
  const int error = errno;
  return absl::ErrnoToStatus(
      error, absl::StrCat(file.flag, " is ", file.path, ", and the directory ",
                          directory, " cannot be written to"));
}

absl::Status CheckReplaceable(const OutputTarget& file) {
  std::error_code error;
  const bool is_empty = std::filesystem::is_empty(file.path, error) && !error;
  if (is_empty || file.is_replaceable(file.path)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      file.path, " is no ", file.what,
      ", and --overwrite replaces nothing else; choose another path, or remove "
      "the file yourself"));
}

}  // namespace

absl::Status CheckOutputFile(const OutputTarget& file) {
  if (!PathExists(file.path)) return CheckDirectoryOf(file);
  if (ListDirectory(file.path).ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(file.flag, " is the directory ", file.path,
                     "; wanted is the name of a file, such as ", file.path, "/",
                     file.example_name));
  }
  if (file.overwrite) {
    MOE_RETURN_IF_ERROR(CheckReplaceable(file));
    return CheckDirectoryOf(file);
  }
  return absl::AlreadyExistsError(absl::StrCat(
      file.path, " already exists; choose another path, or pass --overwrite"));
}

std::function<bool(const std::string&)> SafetensorsWith(std::string key,
                                                        std::string value) {
  return [key = std::move(key),
          value = std::move(value)](const std::string& path) {
    const absl::StatusOr<SafetensorsFile> file = SafetensorsFile::Open(path);
    if (!file.ok()) return false;
    const auto entry = file->metadata().find(key);
    return entry != file->metadata().end() && entry->second == value;
  };
}

}  // namespace moe
