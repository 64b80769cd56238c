#include "moe/text/dataset/dataset_files.h"

#include <algorithm>
#include <filesystem>
#include <initializer_list>
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

namespace moe::text {
namespace {

// Files that libraries and people put beside data.
bool DescribesDataset(absl::string_view name) {
  for (const absl::string_view file :
       {"dataset_info.json", "dataset_infos.json", "dataset_dict.json",
        "state.json"}) {
    if (name == file) return true;
  }
  for (const absl::string_view stem :
       {"README", "LICENSE", "LICENCE", "NOTICE", "CITATION", "CHANGELOG"}) {
    if (absl::StartsWithIgnoreCase(name, absl::StrCat(stem, "."))) return true;
  }
  return false;
}

bool HasDatasetName(absl::string_view name,
                    std::initializer_list<absl::string_view> ends) {
  if (absl::StartsWith(name, ".") || DescribesDataset(name)) return false;
  if (!absl::ConsumeSuffix(&name, ".gz")) absl::ConsumeSuffix(&name, ".zst");
  for (const absl::string_view end : ends) {
    if (absl::EndsWithIgnoreCase(name, end)) return true;
  }
  return false;
}

// What to do with the first Parquet or Arrow file among the names; empty if
// there is none.
std::string AboutTables(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (absl::EndsWith(name, ".parquet") || absl::EndsWith(name, ".arrow")) {
      // datasets writes folders of Arrow files, and reads them by another
      // function.
      const bool is_arrow = absl::EndsWith(name, ".arrow");
      return absl::StrCat("; make JSON lines of ", name,
                          " with python3 -c \"import datasets; datasets.",
                          is_arrow ? "load_from_disk('DIRECTORY')"
                                   : "load_dataset('DIRECTORY', split='train')",
                          ".to_json('NEW.jsonl')\"");
    }
  }
  return "";
}

constexpr std::initializer_list<absl::string_view> kJsonEnds = {".jsonl",
                                                                ".json"};
constexpr std::initializer_list<absl::string_view> kOtherEnds = {".csv", ".tsv",
                                                                 ".txt"};

DatasetFiles Choose(absl::string_view directory,
                    const std::vector<std::string>& names,
                    std::initializer_list<absl::string_view> ends) {
  DatasetFiles files;
  for (const std::string& name : names) {
    std::string path =
        absl::StrCat(absl::StripSuffix(directory, "/"), "/", name);
    std::error_code error;
    if (HasDatasetName(name, ends) &&
        !std::filesystem::is_directory(path, error)) {
      files.paths.push_back(std::move(path));
    } else {
      files.passed_over.push_back(name);
    }
  }
  return files;
}

absl::StatusOr<DatasetFiles> ListDirectoryFiles(absl::string_view directory) {
  MOE_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                       base::ListDirectory(directory));
  for (const auto ends : {kJsonEnds, kOtherEnds}) {
    DatasetFiles files = Choose(directory, names, ends);
    if (!files.paths.empty()) return files;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      directory,
      ": expected a file of a dataset (.jsonl, .json, .csv, .tsv or .txt, or "
      "these with .gz or .zst), found none among ",
      names.size(),
      " names; to read a token artifact, give the file, not its directory",
      AboutTables(names)));
}

}  // namespace

absl::StatusOr<DatasetFiles> ListDatasetFiles(absl::string_view path) {
  std::error_code error;
  const auto type = std::filesystem::status(std::string(path), error).type();
  if (type == std::filesystem::file_type::not_found) {
    return absl::NotFoundError(absl::StrCat(
        path,
        ": expected a dataset (a file, or a directory of files), found "
        "nothing"));
  }
  if (type == std::filesystem::file_type::directory) {
    return ListDirectoryFiles(path);
  }
  return DatasetFiles{{std::string(path)}, {}};
}

absl::StatusOr<bool> IsSafetensorsFile(absl::string_view path) {
  MOE_ASSIGN_OR_RETURN(const base::RandomAccessFile file,
                       base::RandomAccessFile::Open(path));
  // The file starts with the header's length in 8 bytes, which is under 2^27,
  // so the upper bytes are zero. The header starts with a brace.
  std::string start(std::min<uint64_t>(9, file.size_bytes()), '\0');
  MOE_RETURN_IF_ERROR(file.Read(0, absl::MakeSpan(start)));
  return absl::EndsWith(start, absl::string_view("\0\0\0\0{", 5)) &&
         start.size() == 9;
}

}  // namespace moe::text
