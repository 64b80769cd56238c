#include "moe/checkpoint/checkpoint_writer.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/atomic_write.h"
#include "moe/base/check.h"
#include "moe/base/file_system.h"
#include "moe/base/random_access_file.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/json.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/safetensors_header.h"
#include "moe/checkpoint/shard_index.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor.h"

namespace moe {
namespace {

constexpr uint64_t kMaxSmallFileBytes = uint64_t{16} << 20;

uint64_t DataBytes(const ShardPlan& shard) {
  uint64_t num_bytes = 0;
  for (const TensorSpec& tensor : shard.tensors) {
    num_bytes += static_cast<uint64_t>(NumBytes(tensor));
  }
  return num_bytes;
}

// Inputs may be symbolic links and ".."; the comparison is of where they lead.
std::filesystem::path Resolved(absl::string_view path) {
  std::error_code error;
  std::filesystem::path resolved =
      std::filesystem::weakly_canonical(std::string(path), error);
  if (error) resolved = std::filesystem::absolute(std::string(path), error);
  resolved = resolved.lexically_normal();
  return resolved.filename().empty() ? resolved.parent_path() : resolved;
}

bool IsWithin(const std::filesystem::path& inner,
              const std::filesystem::path& outer) {
  const auto [rest, ignored] =
      std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end());
  return rest == outer.end();
}

absl::Status CheckApart(absl::string_view path, absl::string_view input) {
  if (input.empty()) return absl::OkStatus();
  const std::filesystem::path resolved = Resolved(path);
  const std::filesystem::path resolved_input = Resolved(input);
  if (!IsWithin(resolved, resolved_input) &&
      !IsWithin(resolved_input, resolved)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat(path, " is, holds or lies in the input ", input,
                   ", which is never written to; choose another path"));
}

absl::Status CheckPlan(const CheckpointPlan& plan) {
  std::set<std::string> files;
  std::set<std::string> tensors;
  const auto add = [](std::set<std::string>& set, const std::string& name) {
    if (set.insert(name).second) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat("\"", name, "\" is to be written twice"));
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
    MOE_ASSIGN_OR_RETURN(const RandomAccessFile file,
                         RandomAccessFile::Open(from));
    num_bytes += file.size_bytes();
  }
  return num_bytes;
}

// Many kinds of directories have a config.json; a checkpoint's names a model,
// lies beside weights, and beside nothing that is a directory.
bool LooksLikeCheckpoint(const std::string& path) {
  const absl::StatusOr<std::string> text =
      ReadFile(absl::StrCat(path, "/", kConfigFile), kMaxSmallFileBytes);
  if (!text.ok()) return false;
  const absl::StatusOr<Json> config = ParseJsonObject(*text);
  if (!config.ok() || !Get<std::string>(*config, "model_type").ok()) {
    return false;
  }
  if (!PathExists(absl::StrCat(path, "/", kSingleShardFile)) &&
      !PathExists(absl::StrCat(path, "/", kShardIndexFile))) {
    return false;
  }
  const absl::StatusOr<std::vector<std::string>> names = ListDirectory(path);
  if (!names.ok()) return false;
  return std::none_of(names->begin(), names->end(),
                      [&](const std::string& name) {
                        std::error_code error;
                        return std::filesystem::is_directory(
                            absl::StrCat(path, "/", name), error);
                      });
}

}  // namespace

absl::Status CheckHoldsCheckpoint(absl::string_view path) {
  if (LooksLikeCheckpoint(std::string(path))) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      path, " exists and does not look like a checkpoint (", kConfigFile,
      " with a model_type, safetensors beside it, no directories), so "
      "--overwrite does not remove it; remove it yourself, or choose another "
      "path"));
}

absl::StatusOr<std::unique_ptr<CheckpointWriter>> CheckpointWriter::Create(
    absl::string_view path, CheckpointPlan plan,
    const CheckpointWriterOptions& options) {
  MOE_RETURN_IF_ERROR(CheckPlan(plan));
  MOE_RETURN_IF_ERROR(CheckApart(path, options.input_directory));
  AtomicDirectoryOptions directory_options;
  directory_options.overwrite = options.overwrite;
  directory_options.check_replaceable = CheckHoldsCheckpoint;
  directory_options.file_system = options.file_system;
  MOE_ASSIGN_OR_RETURN(directory_options.required_bytes, RequiredBytes(plan));
  MOE_ASSIGN_OR_RETURN(
      std::unique_ptr<AtomicDirectoryWriter> directory,
      AtomicDirectoryWriter::Create(path, std::move(directory_options)));
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

absl::Status CheckpointWriter::AppendTensor(const SafetensorsFile& file,
                                            const SafetensorsTensor& tensor) {
  // Larger pieces fall out of the processor's cache between read and write.
  constexpr uint64_t kPieceBytes = uint64_t{1} << 20;
  const uint64_t size_bytes = tensor.end - tensor.begin;
  for (uint64_t offset = 0; offset < size_bytes; offset += piece_.size()) {
    piece_.resize(std::min(kPieceBytes, size_bytes - offset));
    MOE_RETURN_IF_ERROR(file.Read(tensor, offset, absl::MakeSpan(piece_)));
    MOE_RETURN_IF_ERROR(Append(piece_));
  }
  return absl::OkStatus();
}

absl::Status CheckpointWriter::CopyFile(const std::string& name,
                                        const std::string& from) {
  constexpr uint64_t kPieceBytes = uint64_t{1} << 20;
  MOE_ASSIGN_OR_RETURN(const RandomAccessFile source,
                       RandomAccessFile::Open(from));
  MOE_ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file,
                       directory_->CreateFile(name));
  std::string piece;
  for (uint64_t offset = 0; offset < source.size_bytes();
       offset += piece.size()) {
    piece.resize(std::min(kPieceBytes, source.size_bytes() - offset));
    MOE_RETURN_IF_ERROR(source.Read(offset, absl::MakeSpan(piece)));
    MOE_RETURN_IF_ERROR(file->Append(piece));
  }
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

absl::StatusOr<CheckpointPlan> PlanCopy(const Checkpoint& checkpoint) {
  CheckpointPlan plan;
  const std::string& directory = checkpoint.directory();
  for (const SafetensorsFile& shard : checkpoint.tensors().shards()) {
    ShardPlan shard_plan;
    shard_plan.file_name = SplitPath(shard.path()).name;
    shard_plan.metadata = shard.metadata();
    for (const SafetensorsTensor& tensor : shard.tensors()) {
      shard_plan.tensors.push_back(tensor.spec);
    }
    plan.shards.push_back(std::move(shard_plan));
  }
  plan.has_index = checkpoint.tensors().index().has_value();
  MOE_ASSIGN_OR_RETURN(
      plan.contents[kConfigFile],
      ReadFile(absl::StrCat(directory, "/", kConfigFile), kMaxSmallFileBytes));
  MOE_ASSIGN_OR_RETURN(const std::vector<std::string> companions,
                       checkpoint.CompanionFiles());
  for (const std::string& name : companions) {
    plan.copies[name] = absl::StrCat(directory, "/", name);
  }
  return plan;
}

}  // namespace moe
