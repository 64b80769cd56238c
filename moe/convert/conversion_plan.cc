#include "moe/convert/conversion_plan.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "moe/base/check.h"
#include "moe/base/file_system.h"
#include "moe/base/float_environment.h"
#include "moe/base/json.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/checkpoint_writer.h"
#include "moe/checkpoint/companion_files.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/checkpoint/path_fields.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/safetensors_header.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/checkpoint/tensor_set.h"
#include "moe/convert/model_code.h"
#include "moe/convert/piece_stream.h"
#include "moe/convert/tensor_piece.h"

namespace moe {
namespace {

template <typename T>
void MoveOnto(std::vector<T> from, std::vector<T>& to) {
  to.insert(to.end(), std::make_move_iterator(from.begin()),
            std::make_move_iterator(from.end()));
}

int64_t DataBytes(const std::vector<TensorSpec>& tensors) {
  int64_t num_bytes = 0;
  for (const TensorSpec& tensor : tensors) num_bytes += NumBytes(tensor);
  return num_bytes;
}

int64_t DataBytes(const std::vector<TensorPiece>& pieces) {
  int64_t num_bytes = 0;
  for (const TensorPiece& piece : pieces) num_bytes += NumBytes(piece);
  return num_bytes;
}

TensorSet TensorsOf(const CheckpointPlan& plan) {
  TensorSet tensors;
  for (const ShardPlan& shard : plan.shards) {
    for (const TensorSpec& spec : shard.tensors) {
      MOE_CHECK(tensors.emplace(spec.name, spec.shape).second);
    }
  }
  return tensors;
}

SafetensorsMetadata WithoutPaths(const SafetensorsFile& shard,
                                 std::vector<LeftBehind>& left_behind) {
  SafetensorsMetadata metadata;
  for (const auto& [key, value] : shard.metadata()) {
    if (IsAbsolutePath(value)) {
      left_behind.push_back(PathFieldOf(SplitPath(shard.path()).name, key));
    } else {
      metadata[key] = value;
    }
  }
  return metadata;
}

// One entry for all that is no part of the model, if there is something.
void AddOthers(const std::vector<std::string>& names, ConversionPlan& plan) {
  std::vector<std::string> others;
  for (const std::string& name : names) {
    if (plan.checkpoint.contents.count(name) == 0) others.push_back(name);
  }
  if (others.empty()) return;
  plan.left_behind.push_back(
      {absl::StrJoin(others, ", "), "no part of the weights or the tokenizer"});
}

// The tensors in their order, in shards of at most so many bytes. What the
// shards of the input say of themselves, the first of those said.
void CutIntoShards(int64_t max_bytes, CheckpointPlan& plan) {
  std::vector<ShardPlan> shards;
  int64_t num_bytes = 0;
  for (ShardPlan& shard : plan.shards) {
    for (TensorSpec& tensor : shard.tensors) {
      if (shards.empty() || num_bytes + NumBytes(tensor) > max_bytes) {
        shards.push_back({"", {}, plan.shards[0].metadata});
        num_bytes = 0;
      }
      num_bytes += NumBytes(tensor);
      shards.back().tensors.push_back(std::move(tensor));
    }
  }
  plan.has_index = shards.size() > 1;
  for (size_t i = 0; i < shards.size(); ++i) {
    shards[i].file_name =
        plan.has_index ? absl::StrFormat("model-%05d-of-%05d.safetensors",
                                         i + 1, shards.size())
                       : kSingleShardFile;
  }
  plan.shards = std::move(shards);
}

// Hands data on to the writer, which wants no bytes of two shards at once.
class ShardedAppender {
 public:
  // `shard_bytes` are of the data of each shard.
  ShardedAppender(std::vector<size_t> shard_bytes, CheckpointWriter& writer)
      : missing_bytes_(std::move(shard_bytes)), writer_(writer) {}

  absl::Status Append(absl::string_view bytes) {
    while (!bytes.empty() && shard_ < missing_bytes_.size()) {
      size_t& missing = missing_bytes_[shard_];
      const size_t count = std::min(missing, bytes.size());
      MOE_RETURN_IF_ERROR(writer_.Append(bytes.substr(0, count)));
      bytes.remove_prefix(count);
      missing -= count;
      if (missing == 0) ++shard_;
    }
    // The writer says what is wrong with bytes behind the last shard.
    return bytes.empty() ? absl::OkStatus() : writer_.Append(bytes);
  }

 private:
  std::vector<size_t> missing_bytes_;  // Of each shard.
  CheckpointWriter& writer_;
  size_t shard_ = 0;
};

// What another checkpoint gets of the files beside the weights. What the plan
// writes goes before what would be copied.
absl::Status AddCompanions(const Checkpoint& from, ConversionPlan& plan) {
  MOE_ASSIGN_OR_RETURN(CompanionCopies found, from.CompanionsToCopy());
  for (const auto& [name, text] : plan.checkpoint.contents) {
    found.copies.erase(name);
  }
  AddOthers(found.others, plan);
  plan.checkpoint.copies = std::move(found.copies);
  plan.checkpoint.contents.merge(found.contents);
  MoveOnto(std::move(found.left_behind), plan.left_behind);
  return absl::OkStatus();
}

}  // namespace

void Replacement::Add(Replacement other) {
  MoveOnto(std::move(other.tensors), tensors);
  MoveOnto(std::move(other.pieces), pieces);
}

Replacement CopyAs(const TensorName& name, const TensorLocation& from) {
  const TensorSpec& spec = from.tensor->spec;
  return {{{FormatTensorName(name), spec.dtype, spec.shape}},
          {CopyPiece{from}}};
}

absl::StatusOr<ConversionPlan> PlanConversion(
    const Checkpoint& from, std::map<std::string, std::string> contents,
    ConvertTensor convert) {
  // What is computed while a plan is made is under the contract, too.
  SetFloatEnvironment();
  ConversionPlan plan;
  plan.checkpoint.contents = std::move(contents);
  plan.checkpoint.has_index = from.tensors().index().has_value();
  Json document = DecoderConfig(from.config()).document;
  for (const std::string& field : RemovePathFields(document)) {
    plan.left_behind.push_back(PathFieldOf(kConfigFile, field));
  }
  for (const SafetensorsFile& file : from.tensors().shards()) {
    ShardPlan shard = {
        SplitPath(file.path()).name, {}, WithoutPaths(file, plan.left_behind)};
    for (const SafetensorsTensor& tensor : file.tensors()) {
      // An opened checkpoint has no others but derived buffers.
      if (IsDerivedBuffer(tensor.spec.name)) continue;
      const std::optional<TensorName> name = ParseTensorName(tensor.spec.name);
      MOE_CHECK(name.has_value());
      MOE_ASSIGN_OR_RETURN(Replacement group, convert(*name, {&file, &tensor}));
      MOE_CHECK(DataBytes(group.tensors) == DataBytes(group.pieces));
      MoveOnto(std::move(group.tensors), shard.tensors);
      MoveOnto(std::move(group.pieces), plan.pieces);
    }
    if (shard.tensors.empty()) continue;
    plan.checkpoint.shards.push_back(std::move(shard));
  }
  MOE_RETURN_IF_ERROR(AddCompanions(from, plan));
  return plan;
}

absl::StatusOr<ConversionPlan> PlanMoeConversion(const Checkpoint& from,
                                                 const MoeConfig& config,
                                                 ConvertTensor convert) {
  std::map<std::string, std::string> contents;
  if (!IsPlainMixtral(config)) contents = ModelCodeFiles();
  contents[kConfigFile] = FormatMoeConfig(config);
  MOE_ASSIGN_OR_RETURN(ConversionPlan plan,
                       PlanConversion(from, std::move(contents), convert));
  MOE_CHECK(TensorsOf(plan.checkpoint) == MoeTensorSet(config));
  return plan;
}

absl::StatusOr<WrittenCheckpoint> WriteConversion(
    ConversionPlan plan, const Checkpoint& from, const ConversionOutput& output,
    const ConversionResources& resources) {
  if (output.max_shard_bytes.has_value()) {
    CutIntoShards(*output.max_shard_bytes, plan.checkpoint);
  }
  WrittenCheckpoint written;
  written.left_behind = std::move(plan.left_behind);
  written.num_shards = static_cast<int64_t>(plan.checkpoint.shards.size());
  std::vector<size_t> shard_bytes;
  for (const ShardPlan& shard : plan.checkpoint.shards) {
    shard_bytes.push_back(static_cast<size_t>(DataBytes(shard.tensors)));
    written.num_tensors += static_cast<int64_t>(shard.tensors.size());
    written.total_bytes += DataBytes(shard.tensors);
  }
  CheckpointWriterOptions options;
  options.overwrite = output.overwrite;
  options.input_directory = from.directory();
  options.file_system = output.file_system;
  MOE_ASSIGN_OR_RETURN(const std::unique_ptr<CheckpointWriter> writer,
                       CheckpointWriter::Create(
                           output.path, std::move(plan.checkpoint), options));
  ShardedAppender appender(std::move(shard_bytes), *writer);
  resources.progress.Start("writing", written.total_bytes, "bytes");
  MOE_ASSIGN_OR_RETURN(written.scaled, StreamPieces(
                                           plan.pieces,
                                           [&](absl::string_view bytes) {
                                             return appender.Append(bytes);
                                           },
                                           resources));
  MOE_RETURN_IF_ERROR(CheckFloatEnvironment("writing the checkpoint"));
  if (output.before_commit != nullptr) output.before_commit();
  MOE_RETURN_IF_ERROR(writer->Finish());
  resources.progress.Finish();
  return written;
}

}  // namespace moe
