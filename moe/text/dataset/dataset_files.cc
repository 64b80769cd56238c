#include "moe/text/dataset/dataset_files.h"

#include <algorithm>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/types/span.h"
#include "moe/base/file_system.h"
#include "moe/base/random_access_file.h"
#include "moe/base/status_macros.h"

namespace moe {
namespace {

bool HasDatasetName(absl::string_view name) {
  if (absl::StartsWith(name, ".")) return false;
  if (!absl::ConsumeSuffix(&name, ".gz")) absl::ConsumeSuffix(&name, ".zst");
  return absl::EndsWith(name, ".jsonl") || absl::EndsWith(name, ".json");
}

absl::StatusOr<DatasetFiles> ListDirectoryFiles(absl::string_view directory) {
  MOE_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                       ListDirectory(directory));
  DatasetFiles files;
  for (const std::string& name : names) {
    std::string path =
        absl::StrCat(absl::StripSuffix(directory, "/"), "/", name);
    std::error_code error;
    if (HasDatasetName(name) && !std::filesystem::is_directory(path, error)) {
      files.paths.push_back(std::move(path));
    } else {
      files.passed_over.push_back(name);
    }
  }
  if (!files.paths.empty()) return files;
  return absl::InvalidArgumentError(absl::StrCat(
      directory, ": the directory has no file of a dataset among ",
      names.size(),
      " names; wanted is .jsonl or .json, or these with .gz or .zst (a token "
      "artifact is named itself, not by its directory)"));
}

}  // namespace

absl::StatusOr<DatasetFiles> ListDatasetFiles(absl::string_view path) {
  std::error_code error;
  const auto type = std::filesystem::status(std::string(path), error).type();
  if (type == std::filesystem::file_type::not_found) {
    return absl::NotFoundError(absl::StrCat(
        path,
        " does not exist; wanted is a dataset: a file, or a directory of "
        "files"));
  }
  if (type == std::filesystem::file_type::directory) {
    return ListDirectoryFiles(path);
  }
  return DatasetFiles{{std::string(path)}, {}};
}

absl::StatusOr<bool> IsSafetensorsFile(absl::string_view path) {
  MOE_ASSIGN_OR_RETURN(const RandomAccessFile file,
                       RandomAccessFile::Open(path));
  // The header's length in 8 bytes, under 2^27, so that the upper ones are
  // zero; and the header, which starts with a brace.
  std::string start(std::min<uint64_t>(9, file.size_bytes()), '\0');
  MOE_RETURN_IF_ERROR(file.Read(0, absl::MakeSpan(start)));
  return absl::EndsWith(start, absl::string_view("\0\0\0\0{", 5)) &&
         start.size() == 9;
}

}  // namespace moe
