#include "moe/convert/conversion_plan.h"

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
#include "absl/strings/string_view.h"
#include "moe/base/check.h"
#include "moe/base/file_system.h"
#include "moe/base/float_environment.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/checkpoint_writer.h"
#include "moe/checkpoint/moe_config.h"
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

}  // namespace

void TensorGroup::Add(TensorGroup other) {
  MoveOnto(std::move(other.tensors), tensors);
  MoveOnto(std::move(other.pieces), pieces);
}

TensorGroup CopyAs(const TensorName& name, const TensorLocation& from) {
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
  for (const SafetensorsFile& file : from.tensors().shards()) {
    ShardPlan shard = {SplitPath(file.path()).name, {}, file.metadata()};
    for (const SafetensorsTensor& tensor : file.tensors()) {
      // An opened checkpoint has no others but derived buffers.
      if (IsDerivedBuffer(tensor.spec.name)) continue;
      const std::optional<TensorName> name = ParseTensorName(tensor.spec.name);
      MOE_CHECK(name.has_value());
      MOE_ASSIGN_OR_RETURN(TensorGroup group, convert(*name, {&file, &tensor}));
      MOE_CHECK(DataBytes(group.tensors) == DataBytes(group.pieces));
      MoveOnto(std::move(group.tensors), shard.tensors);
      MoveOnto(std::move(group.pieces), plan.pieces);
    }
    if (shard.tensors.empty()) continue;
    plan.checkpoint.shards.push_back(std::move(shard));
  }
  MOE_ASSIGN_OR_RETURN(const std::vector<std::string> companions,
                       from.CompanionFiles());
  for (const std::string& name : companions) {
    plan.checkpoint.copies[name] = absl::StrCat(from.directory(), "/", name);
  }
  return plan;
}

absl::StatusOr<ConversionPlan> PlanMoeConversion(const Checkpoint& from,
                                                 const MoeConfig& config,
                                                 ConvertTensor convert) {
  std::map<std::string, std::string> contents = ModelCodeFiles();
  contents[kConfigFile] = FormatMoeConfig(config);
  MOE_ASSIGN_OR_RETURN(ConversionPlan plan,
                       PlanConversion(from, std::move(contents), convert));
  MOE_CHECK(TensorsOf(plan.checkpoint) == MoeTensorSet(config));
  return plan;
}

absl::StatusOr<WrittenCheckpoint> WriteConversion(
    ConversionPlan plan, const Checkpoint& from, const ConversionOutput& output,
    const ConversionResources& resources) {
  WrittenCheckpoint written;
  written.num_shards = static_cast<int64_t>(plan.checkpoint.shards.size());
  for (const ShardPlan& shard : plan.checkpoint.shards) {
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
  resources.progress.Start("writing", written.total_bytes, "bytes");
  MOE_ASSIGN_OR_RETURN(written.scaled, StreamPieces(
                                           plan.pieces,
                                           [&](absl::string_view bytes) {
                                             return writer->Append(bytes);
                                           },
                                           resources));
  MOE_RETURN_IF_ERROR(CheckFloatEnvironment("writing the checkpoint"));
  MOE_RETURN_IF_ERROR(writer->Finish());
  resources.progress.Finish();
  return written;
}

}  // namespace moe
