#include "moe/experiment/experiment_inputs.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
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
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/experiment_spec.pb.h"
#include "moe/experiment/step_plan.h"
#include "moe/experiment/text_proto.h"
#include "moe/text/dataset/dataset_files.h"

namespace moe::experiment {
namespace {

absl::StatusOr<std::vector<FileDigest>> DigestNames(
    absl::string_view directory, std::vector<std::string> names,
    absl::string_view what, base::Progress& progress) {
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
                       base::ListDirectory(directory));
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
  MOE_ASSIGN_OR_RETURN(const base::RandomAccessFile file,
                       base::RandomAccessFile::Open(path));
  digest.set_bytes(static_cast<int64_t>(file.size_bytes()));
  MOE_ASSIGN_OR_RETURN(*digest.mutable_sha256(), base::HexSha256OfFile(path));
  return digest;
}

absl::StatusOr<std::vector<std::string>> ModelFiles(absl::string_view path) {
  MOE_ASSIGN_OR_RETURN(const checkpoint::Checkpoint checkpoint,
                       checkpoint::Checkpoint::Open(path));
  MOE_ASSIGN_OR_RETURN(std::vector<std::string> names,
                       checkpoint.CompanionFiles());
  names.emplace_back(checkpoint::kConfigFile);
  if (checkpoint.tensors().index().has_value()) {
    names.emplace_back(checkpoint::kShardIndexFile);
  }
  for (const checkpoint::SafetensorsFile& shard :
       checkpoint.tensors().shards()) {
    names.push_back(base::SplitPath(shard.path()).name);
  }
  std::sort(names.begin(), names.end());
  for (std::string& name : names) name = absl::StrCat(path, "/", name);
  return names;
}

absl::StatusOr<std::vector<FileDigest>> DigestModel(absl::string_view path,
                                                    base::Progress& progress) {
  MOE_ASSIGN_OR_RETURN(std::vector<std::string> names, ModelFiles(path));
  for (std::string& name : names) name.erase(0, path.size() + 1);
  return DigestNames(path, std::move(names), "digests of the model", progress);
}

absl::StatusOr<std::vector<FileDigest>> DigestData(absl::string_view path) {
  MOE_ASSIGN_OR_RETURN(const text::DatasetFiles listed,
                       text::ListDatasetFiles(path));
  std::vector<FileDigest> files;
  files.reserve(listed.paths.size());
  for (const std::string& file : listed.paths) {
    const base::PathParts parts = base::SplitPath(file);
    MOE_ASSIGN_OR_RETURN(FileDigest digest,
                         DigestFile(parts.parent, parts.name));
    files.push_back(digest);
  }
  return files;
}

absl::StatusOr<std::vector<FileDigest>> DigestDirectory(
    absl::string_view path, base::Progress& progress) {
  std::vector<std::string> names;
  MOE_RETURN_IF_ERROR(AddFiles(std::string(path), "", names));
  const std::string templates =
      absl::StrCat(path, "/", checkpoint::kChatTemplatesFolder);
  if (std::filesystem::is_directory(templates)) {
    MOE_RETURN_IF_ERROR(AddFiles(
        templates, absl::StrCat(checkpoint::kChatTemplatesFolder, "/"), names));
  }
  return DigestNames(path, std::move(names), "digests of the checkpoint",
                     progress);
}

std::string DigestOfFiles(absl::Span<const FileDigest> files) {
  std::string lines;
  for (const FileDigest& file : files) {
    absl::StrAppend(&lines, file.sha256(), "  ", file.name(), "\n");
  }
  return base::HexSha256Of(lines);
}

bool SameFile(const FileDigest& a, const FileDigest& b) {
  return a.name() == b.name() && a.bytes() == b.bytes() &&
         a.sha256() == b.sha256();
}

namespace {

absl::StatusOr<std::vector<std::string>> DataFiles(const std::string& path) {
  MOE_ASSIGN_OR_RETURN(text::DatasetFiles files, text::ListDatasetFiles(path));
  return std::move(files.paths);
}

}  // namespace

std::string RecordPath(absl::string_view step_directory) {
  return absl::StrCat(step_directory, ".record.textproto");
}

void ExperimentInputs::AddStep(absl::string_view directory,
                               const StepRecord& record) {
  steps_[record.step().name()] = {
      std::string(directory),
      {record.step().files().begin(), record.step().files().end()}};
}

absl::Status ExperimentInputs::ReadStep(absl::string_view name,
                                        absl::string_view directory) {
  const std::string path = RecordPath(directory);
  MOE_ASSIGN_OR_RETURN(const StepRecord record,
                       ReadTextProto<StepRecord>(path));
  if (record.step().name() != name) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": expected the record of step \"", name,
                     "\", found that of \"", record.step().name(), "\""));
  }
  AddStep(directory, record);
  return absl::OkStatus();
}

absl::StatusOr<const ExperimentInputs::MadeStep*> ExperimentInputs::Find(
    const std::string& name) const {
  const auto found = steps_.find(name);
  if (found != steps_.end()) return &found->second;
  return absl::NotFoundError(
      absl::StrCat("expected the directory of what step \"", name,
                   "\" has made, found none; name it with --made"));
}

absl::StatusOr<std::string> ExperimentInputs::DataPath(
    absl::string_view file) const {
  if (file.empty()) return places_.data;
  const std::string path = absl::StrCat(places_.data, "/", file);
  if (base::PathExists(path)) return path;
  return absl::NotFoundError(
      absl::StrCat(path,
                   " does not exist; the experiment reads this file of the "
                   "data, so name the directory that holds it as the data"));
}

absl::StatusOr<std::string> ExperimentInputs::PathOf(
    const StepInput& input) const {
  switch (input.source) {
    case InputSource::kModel:
      return places_.model;
    case InputSource::kData:
      return DataPath(input.file);
    case InputSource::kStep:
      break;
  }
  MOE_ASSIGN_OR_RETURN(const MadeStep* const step, Find(input.name));
  return input.file.empty() ? step->directory
                            : absl::StrCat(step->directory, "/", input.file);
}

absl::StatusOr<std::string> ExperimentInputs::DigestOf(const StepInput& input) {
  switch (input.source) {
    case InputSource::kModel: {
      MOE_ASSIGN_OR_RETURN(const std::vector<FileDigest> files, Model());
      return DigestOfFiles(files);
    }
    case InputSource::kData: {
      MOE_ASSIGN_OR_RETURN(const std::vector<FileDigest> files,
                           DataOf(input.file));
      return DigestOfFiles(files);
    }
    case InputSource::kStep:
      break;
  }
  MOE_ASSIGN_OR_RETURN(const MadeStep* const step, Find(input.name));
  return DigestOfFiles(step->files);
}

absl::StatusOr<std::vector<FileDigest>> ExperimentInputs::Model() {
  if (!model_.has_value()) {
    MOE_RETURN_IF_ERROR(Stamp(places_.model, ModelFiles));
    MOE_ASSIGN_OR_RETURN(model_, DigestModel(places_.model, progress_));
  }
  return *model_;
}

absl::StatusOr<std::vector<FileDigest>> ExperimentInputs::DataOf(
    const std::string& file) {
  const auto known = data_.find(file);
  if (known != data_.end()) return known->second;
  MOE_ASSIGN_OR_RETURN(const std::string path, DataPath(file));
  MOE_RETURN_IF_ERROR(Stamp(path, DataFiles));
  MOE_ASSIGN_OR_RETURN(std::vector<FileDigest> files, DigestData(path));
  return data_[file] = std::move(files);
}

absl::StatusOr<std::vector<FileDigest>> ExperimentInputs::Data(
    const ExperimentSpec& spec) {
  std::map<std::string, FileDigest> by_name;
  for (const ExperimentDataset& dataset : spec.datasets()) {
    MOE_ASSIGN_OR_RETURN(const std::vector<FileDigest> files,
                         DataOf(dataset.file()));
    for (const FileDigest& file : files) by_name[file.name()] = file;
  }
  std::vector<FileDigest> files;
  files.reserve(by_name.size());
  for (const auto& [name, file] : by_name) files.push_back(file);
  return files;
}

absl::Status ExperimentInputs::Stamp(const std::string& at,
                                     const Lister& list) {
  StampedFiles files = {at, list, {}, {}};
  MOE_ASSIGN_OR_RETURN(files.paths, list(at));
  for (const std::string& path : files.paths) {
    MOE_ASSIGN_OR_RETURN(const base::FileStamp stamp, base::StampOf(path));
    files.stamps.push_back(stamp);
  }
  stamped_.push_back(std::move(files));
  return absl::OkStatus();
}

absl::Status ExperimentInputs::CheckUnchanged(const StampedFiles& files) {
  for (size_t i = 0; i < files.paths.size(); ++i) {
    MOE_RETURN_IF_ERROR(base::CheckStamp(files.paths[i], files.stamps[i]));
  }
  MOE_ASSIGN_OR_RETURN(const std::vector<std::string> now,
                       files.list(files.at));
  for (const std::string& path : now) {
    const bool known = std::find(files.paths.begin(), files.paths.end(),
                                 path) != files.paths.end();
    if (known) continue;
    return absl::DataLossError(absl::StrCat(
        path,
        ": expected no new file beside those that were read before, found "
        "one; leave the inputs alone while a command works, and start it "
        "again"));
  }
  return absl::OkStatus();
}

absl::Status ExperimentInputs::CheckUnchanged() const {
  for (const StampedFiles& files : stamped_) {
    MOE_RETURN_IF_ERROR(CheckUnchanged(files));
  }
  return absl::OkStatus();
}

}  // namespace moe::experiment
