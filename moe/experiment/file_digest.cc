#include "moe/experiment/file_digest.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/file_system.h"
#include "moe/base/progress.h"
#include "moe/base/random_access_file.h"
#include "moe/base/sha256.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/companion_files.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/text/dataset/dataset_files.h"

namespace moe {
namespace {

absl::StatusOr<std::vector<FileDigest>> DigestNames(
    absl::string_view directory, std::vector<std::string> names,
    absl::string_view what, Progress& progress) {
  std::sort(names.begin(), names.end());
  std::vector<FileDigest> files;
  files.reserve(names.size());
  progress.Start(what, static_cast<int64_t>(names.size()), "files");
  for (const std::string& name : names) {
    progress.SetDetail(name);
    MOE_ASSIGN_OR_RETURN(FileDigest file, DigestFile(directory, name));
    files.push_back(file);
    progress.Advance(1);
  }
  progress.Finish();
  return files;
}

// Adds the files of a directory that are not hidden, with the prefix.
absl::Status AddFiles(const std::string& directory, absl::string_view prefix,
                      std::vector<std::string>& names) {
  MOE_ASSIGN_OR_RETURN(const std::vector<std::string> all,
                       ListDirectory(directory));
  for (const std::string& name : all) {
    if (name[0] == '.' ||
        std::filesystem::is_directory(absl::StrCat(directory, "/", name))) {
      continue;
    }
    names.push_back(absl::StrCat(prefix, name));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<FileDigest> DigestFile(absl::string_view directory,
                                      absl::string_view name) {
  const std::string path = absl::StrCat(directory, "/", name);
  FileDigest digest;
  digest.set_name(std::string(name));
  MOE_ASSIGN_OR_RETURN(const RandomAccessFile file,
                       RandomAccessFile::Open(path));
  digest.set_bytes(static_cast<int64_t>(file.size_bytes()));
  MOE_ASSIGN_OR_RETURN(*digest.mutable_sha256(), HexSha256OfFile(path));
  return digest;
}

absl::StatusOr<std::vector<std::string>> ModelFiles(absl::string_view path) {
  MOE_ASSIGN_OR_RETURN(const Checkpoint checkpoint, Checkpoint::Open(path));
  MOE_ASSIGN_OR_RETURN(std::vector<std::string> names,
                       checkpoint.CompanionFiles());
  names.emplace_back(kConfigFile);
  if (checkpoint.tensors().index().has_value()) {
    names.emplace_back(kShardIndexFile);
  }
  for (const SafetensorsFile& shard : checkpoint.tensors().shards()) {
    names.push_back(SplitPath(shard.path()).name);
  }
  std::sort(names.begin(), names.end());
  for (std::string& name : names) name = absl::StrCat(path, "/", name);
  return names;
}

absl::StatusOr<std::vector<FileDigest>> DigestModel(absl::string_view path,
                                                    Progress& progress) {
  MOE_ASSIGN_OR_RETURN(std::vector<std::string> names, ModelFiles(path));
  for (std::string& name : names) name.erase(0, path.size() + 1);
  return DigestNames(path, std::move(names), "digests of the model", progress);
}

absl::StatusOr<std::vector<FileDigest>> DigestData(absl::string_view path) {
  MOE_ASSIGN_OR_RETURN(const DatasetFiles listed, ListDatasetFiles(path));
  std::vector<FileDigest> files;
  files.reserve(listed.paths.size());
  for (const std::string& file : listed.paths) {
    const PathParts parts = SplitPath(file);
    MOE_ASSIGN_OR_RETURN(FileDigest digest,
                         DigestFile(parts.parent, parts.name));
    files.push_back(digest);
  }
  return files;
}

absl::StatusOr<std::vector<FileDigest>> DigestDirectory(absl::string_view path,
                                                        Progress& progress) {
  std::vector<std::string> names;
  MOE_RETURN_IF_ERROR(AddFiles(std::string(path), "", names));
  const std::string templates = absl::StrCat(path, "/", kChatTemplatesFolder);
  if (std::filesystem::is_directory(templates)) {
    MOE_RETURN_IF_ERROR(
        AddFiles(templates, absl::StrCat(kChatTemplatesFolder, "/"), names));
  }
  return DigestNames(path, std::move(names), "digests of the checkpoint",
                     progress);
}

std::string DigestOfFiles(absl::Span<const FileDigest> files) {
  std::string lines;
  for (const FileDigest& file : files) {
    absl::StrAppend(&lines, file.sha256(), "  ", file.name(), "\n");
  }
  return HexSha256Of(lines);
}

bool SameFile(const FileDigest& a, const FileDigest& b) {
  return a.name() == b.name() && a.bytes() == b.bytes() &&
         a.sha256() == b.sha256();
}

}  // namespace moe
