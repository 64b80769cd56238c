#include "moe/experiment/experiment_inputs.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/file_system.h"
#include "moe/base/random_access_file.h"
#include "moe/base/status_macros.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/experiment_spec.pb.h"
#include "moe/experiment/file_digest.h"
#include "moe/experiment/step_plan.h"
#include "moe/experiment/text_proto.h"
#include "moe/text/dataset/dataset_files.h"

namespace moe {
namespace {

absl::StatusOr<std::vector<std::string>> DataFiles(const std::string& path) {
  MOE_ASSIGN_OR_RETURN(DatasetFiles files, ListDatasetFiles(path));
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
        absl::StrCat(path, " is of step \"", record.step().name(),
                     "\"; wanted is that of \"", name, "\""));
  }
  AddStep(directory, record);
  return absl::OkStatus();
}

absl::StatusOr<const ExperimentInputs::MadeStep*> ExperimentInputs::Find(
    const std::string& name) const {
  const auto found = steps_.find(name);
  if (found != steps_.end()) return &found->second;
  return absl::NotFoundError(absl::StrCat("what step \"", name,
                                          "\" has made is needed, and where it "
                                          "lies was not said"));
}

absl::StatusOr<std::string> ExperimentInputs::DataPath(
    absl::string_view file) const {
  if (file.empty()) return places_.data;
  const std::string path = absl::StrCat(places_.data, "/", file);
  if (PathExists(path)) return path;
  return absl::NotFoundError(absl::StrCat(
      path,
      " does not exist; the experiment reads this file of the data, so "
      "the data has to be the directory that holds it"));
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
    MOE_ASSIGN_OR_RETURN(const FileStamp stamp, StampOf(path));
    files.stamps.push_back(stamp);
  }
  stamped_.push_back(std::move(files));
  return absl::OkStatus();
}

absl::Status ExperimentInputs::CheckUnchanged(const StampedFiles& files) {
  for (size_t i = 0; i < files.paths.size(); ++i) {
    MOE_RETURN_IF_ERROR(CheckStamp(files.paths[i], files.stamps[i]));
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

}  // namespace moe
