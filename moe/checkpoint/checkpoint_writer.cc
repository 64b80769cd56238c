#include "moe/checkpoint/checkpoint_writer.h"

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/atomic_write.h"
#include "moe/base/check.h"
#include "moe/base/file_system.h"
#include "moe/base/path_overlap.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/safetensors_header.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor.h"

namespace moe::checkpoint {
namespace {

uint64_t DataBytes(const ShardPlan& shard) {
  uint64_t num_bytes = 0;
  for (const TensorSpec& tensor : shard.tensors) {
    num_bytes += static_cast<uint64_t>(NumBytes(tensor));
  }
  return num_bytes;
}

absl::Status CheckPlan(const CheckpointPlan& plan) {
  std::set<std::string> files;
  std::set<std::string> tensors;
  const auto add = [](std::set<std::string>& set, const std::string& name) {
    if (set.insert(name).second) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", name, "\": expected it once in the plan, found it twice"));
  };
  for (const ShardPlan& shard : plan.shards) {
    MOE_RETURN_IF_ERROR(add(files, shard.file_name));
    for (const TensorSpec& tensor : shard.tensors) {
      MOE_RETURN_IF_ERROR(add(tensors, tensor.name));
      MOE_RETURN_IF_ERROR(ValidateTensorSpec(tensor));
    }
  }
  if (plan.has_index) MOE_RETURN_IF_ERROR(add(files, kShardIndexFile));
  for (const auto& [name, text] : plan.contents) {
    MOE_RETURN_IF_ERROR(add(files, name));
  }
  for (const auto& [name, from] : plan.copies) {
    MOE_RETURN_IF_ERROR(add(files, name));
  }
  if (plan.shards.size() != 1 && !plan.has_index) {
    return absl::InvalidArgumentError(
        absl::StrCat(plan.shards.size(), " shards and no index"));
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> RequiredBytes(const CheckpointPlan& plan) {
  uint64_t num_bytes = 0;
  for (const ShardPlan& shard : plan.shards) {
    num_bytes += FormatSafetensorsHeader(shard.tensors, shard.metadata).size() +
                 DataBytes(shard);
    // An index has a line of at most name and file for each tensor.
    for (const TensorSpec& tensor : shard.tensors) {
      num_bytes += tensor.name.size() + shard.file_name.size() + 16;
    }
  }
  for (const auto& [name, text] : plan.contents) num_bytes += text.size();
  for (const auto& [name, from] : plan.copies) {
    MOE_ASSIGN_OR_RETURN(const base::RandomAccessFile file,
                         base::RandomAccessFile::Open(from));
    num_bytes += file.size_bytes();
  }
  return num_bytes;
}

}  // namespace

absl::StatusOr<std::unique_ptr<CheckpointWriter>> CheckpointWriter::Create(
    absl::string_view path, CheckpointPlan plan,
    const CheckpointWriterOptions& options) {
  MOE_RETURN_IF_ERROR(CheckPlan(plan));
  if (!options.input_directory.empty()) {
    MOE_RETURN_IF_ERROR(base::CheckApart(path, options.input_directory));
  }
  base::AtomicDirectoryOptions directory_options;
  directory_options.kind = kCheckpointKind;
  directory_options.overwrite = options.overwrite;
  directory_options.file_system = options.file_system;
  MOE_ASSIGN_OR_RETURN(directory_options.required_bytes, RequiredBytes(plan));
  MOE_ASSIGN_OR_RETURN(
      std::unique_ptr<base::AtomicDirectoryWriter> directory,
      base::AtomicDirectoryWriter::Create(path, std::move(directory_options)));
  std::unique_ptr<CheckpointWriter> writer(
      new CheckpointWriter(std::move(plan), std::move(directory)));
  MOE_RETURN_IF_ERROR(writer->StartNextShard());
  return writer;
}

absl::Status CheckpointWriter::StartNextShard() {
  for (;;) {
    if (writer_.has_value()) {
      if (!writer_->IsComplete()) return absl::OkStatus();
      MOE_RETURN_IF_ERROR(file_->Sync());
      MOE_RETURN_IF_ERROR(file_->Close());
      writer_.reset();
      file_.reset();
    }
    if (next_shard_ == plan_.shards.size()) return absl::OkStatus();
    const ShardPlan& shard = plan_.shards[next_shard_++];
    MOE_ASSIGN_OR_RETURN(file_, directory_->CreateFile(shard.file_name));
    MOE_ASSIGN_OR_RETURN(writer_, SafetensorsWriter::Create(
                                      *file_, shard.tensors, shard.metadata));
  }
}

absl::Status CheckpointWriter::Append(absl::string_view bytes) {
  if (bytes.empty()) return absl::OkStatus();
  if (!writer_.has_value()) {
    return absl::InvalidArgumentError(absl::StrCat(
        bytes.size(), " bytes of tensor data came after the last shard"));
  }
  MOE_RETURN_IF_ERROR(writer_->Append(bytes));
  return StartNextShard();
}

absl::Status CheckpointWriter::CopyFile(const std::string& name,
                                        const std::string& from) {
  MOE_ASSIGN_OR_RETURN(const std::unique_ptr<base::WritableFile> file,
                       directory_->CreateFile(name));
  MOE_RETURN_IF_ERROR(base::AppendFile(from, *file));
  MOE_RETURN_IF_ERROR(file->Sync());
  return file->Close();
}

std::string CheckpointWriter::Index() const {
  ShardIndex index;
  int64_t num_bytes = 0;
  int64_t num_elements = 0;
  for (const ShardPlan& shard : plan_.shards) {
    for (const TensorSpec& tensor : shard.tensors) {
      index.weight_map[tensor.name] = shard.file_name;
      num_bytes += NumBytes(tensor);
      num_elements += NumBytes(tensor) / DtypeSize(tensor.dtype);
    }
  }
  index.total_size_bytes = num_bytes;
  index.total_parameters = num_elements;
  return FormatShardIndex(index);
}

absl::Status CheckpointWriter::Finish() {
  if (writer_.has_value()) return writer_->Finish();
  for (const auto& [name, from] : plan_.copies) {
    MOE_RETURN_IF_ERROR(CopyFile(name, from));
  }
  for (const auto& [name, text] : plan_.contents) {
    if (name != kConfigFile) {
      MOE_RETURN_IF_ERROR(directory_->WriteFile(name, text));
    }
  }
  if (plan_.has_index) {
    MOE_RETURN_IF_ERROR(directory_->WriteFile(kShardIndexFile, Index()));
  }
  // Last, so that not even the temporary directory looks like a checkpoint
  // before it is one.
  const auto config = plan_.contents.find(kConfigFile);
  if (config != plan_.contents.end()) {
    MOE_RETURN_IF_ERROR(directory_->WriteFile(kConfigFile, config->second));
  }
  return directory_->Commit();
}

}  // namespace moe::checkpoint
