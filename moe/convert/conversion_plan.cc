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
#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/file_system.h"
#include "moe/base/float_environment.h"
#include "moe/base/json.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/checkpoint_writer.h"
#include "moe/checkpoint/companion_files.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/checkpoint/path_fields.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/safetensors_header.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/checkpoint/tensor_set.h"
#include "moe/convert/model_code_text.h"
#include "moe/convert/piece_stream.h"

namespace moe::convert {

std::map<std::string, std::string> ModelCodeFiles() {
  return {{checkpoint::kModelConfigurationFile, kModelConfigurationText},
          {checkpoint::kModelCodeFile, kModelCodeText}};
}

namespace {

template <typename T>
void MoveOnto(std::vector<T> from, std::vector<T>& to) {
  to.insert(to.end(), std::make_move_iterator(from.begin()),
            std::make_move_iterator(from.end()));
}

// `List` holds tensors or pieces.
template <typename List>
int64_t DataBytes(const List& list) {
  int64_t num_bytes = 0;
  for (const auto& element : list) num_bytes += NumBytes(element);
  return num_bytes;
}

checkpoint::TensorSet TensorsOf(const checkpoint::CheckpointPlan& plan) {
  checkpoint::TensorSet tensors;
  for (const checkpoint::ShardPlan& shard : plan.shards) {
    for (const checkpoint::TensorSpec& spec : shard.tensors) {
      MOE_CHECK(tensors.emplace(spec.name, spec.shape).second);
    }
  }
  return tensors;
}

checkpoint::SafetensorsMetadata WithoutPaths(
    const checkpoint::SafetensorsFile& shard,
    std::vector<checkpoint::LeftBehind>& left_behind) {
  checkpoint::SafetensorsMetadata metadata = shard.metadata();
  for (const auto& [key, value] : shard.metadata()) {
    if (!checkpoint::IsAbsolutePath(value)) continue;
    left_behind.push_back(
        checkpoint::PathFieldOf(base::SplitPath(shard.path()).name, key));
    metadata.erase(key);
  }
  return metadata;
}

// Adds one entry for all files that are no part of the model, if there are any.
void AddOthers(const std::vector<std::string>& names, ConversionPlan& plan) {
  std::vector<std::string> others;
  for (const std::string& name : names) {
    if (plan.checkpoint.contents.count(name) == 0) others.push_back(name);
  }
  if (others.empty()) return;
  plan.left_behind.push_back(
      {absl::StrJoin(others, ", "), "no part of the weights or the tokenizer"});
}

// Puts the tensors, in their order, into shards of at most `max_bytes`. All get
// the metadata of the first shard.
void CutIntoShards(int64_t max_bytes, checkpoint::CheckpointPlan& plan) {
  std::vector<checkpoint::ShardPlan> shards;
  int64_t num_bytes = 0;
  for (checkpoint::ShardPlan& shard : plan.shards) {
    for (checkpoint::TensorSpec& tensor : shard.tensors) {
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
                       : checkpoint::kSingleShardFile;
  }
  plan.shards = std::move(shards);
}

absl::StatusOr<std::unique_ptr<checkpoint::CheckpointWriter>> CreateWriter(
    checkpoint::CheckpointPlan plan, const checkpoint::Checkpoint& from,
    const ConversionOutput& output) {
  checkpoint::CheckpointWriterOptions options;
  options.overwrite = output.overwrite;
  options.input_directory = from.directory();
  options.file_system = output.file_system;
  return checkpoint::CheckpointWriter::Create(output.path, std::move(plan),
                                              options);
}

// Hands data to the writer, which takes the bytes of one shard at a time.
class ShardedAppender {
 public:
  // `shard_bytes` is the size of each shard's data.
  ShardedAppender(std::vector<size_t> shard_bytes,
                  checkpoint::CheckpointWriter& writer)
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
  std::vector<size_t> missing_bytes_;  // For each shard.
  checkpoint::CheckpointWriter& writer_;
  size_t shard_ = 0;
};

// Copies the files beside the weights. A file that the plan writes is not
// copied.
absl::Status AddCompanions(const checkpoint::Checkpoint& from,
                           ConversionPlan& plan) {
  MOE_ASSIGN_OR_RETURN(checkpoint::CompanionCopies found,
                       from.CompanionsToCopy());
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

Replacement CopyAs(const checkpoint::TensorName& name,
                   const checkpoint::TensorLocation& from) {
  const checkpoint::TensorSpec& spec = from.tensor->spec;
  return {{{checkpoint::FormatTensorName(name), spec.dtype, spec.shape}},
          {CopyPiece{from}}};
}

Replacement Slice(const checkpoint::TensorLocation& from, size_t axis,
                  const std::vector<checkpoint::TensorName>& names,
                  const std::vector<absl::Span<const int64_t>>& lists) {
  MOE_CHECK(names.size() == lists.size());
  const checkpoint::TensorSpec& spec = from.tensor->spec;
  Replacement group;
  for (size_t i = 0; i < names.size(); ++i) {
    checkpoint::Shape shape = spec.shape;
    shape[axis] = static_cast<int64_t>(lists[i].size());
    group.tensors.push_back(
        {checkpoint::FormatTensorName(names[i]), spec.dtype, std::move(shape)});
  }
  if (axis == 0) {
    group.pieces.push_back(RowsPiece{from, lists});
  } else {
    group.pieces.push_back(ColumnsPiece{from, lists});
  }
  return group;
}

Replacement Repeat(const checkpoint::TensorLocation& from,
                   const std::vector<checkpoint::TensorName>& names,
                   const TensorPiece& piece) {
  const checkpoint::TensorSpec& spec = from.tensor->spec;
  Replacement group;
  for (const checkpoint::TensorName& name : names) {
    group.Add({{{checkpoint::FormatTensorName(name), spec.dtype, spec.shape}},
               {piece}});
  }
  return group;
}

absl::StatusOr<ConversionPlan> PlanConversion(
    const checkpoint::Checkpoint& from,
    std::map<std::string, std::string> contents, ConvertTensor convert) {
  // The numerics contract also covers what is computed while a plan is made.
  base::SetFloatEnvironment();
  ConversionPlan plan;
  plan.checkpoint.contents = std::move(contents);
  plan.checkpoint.has_index = from.tensors().index().has_value();
  base::Json document = checkpoint::DecoderConfig(from.config()).document;
  for (const std::string& field : checkpoint::RemovePathFields(document)) {
    plan.left_behind.push_back(
        checkpoint::PathFieldOf(checkpoint::kConfigFile, field));
  }
  for (const checkpoint::SafetensorsFile& file : from.tensors().shards()) {
    checkpoint::ShardPlan shard = {base::SplitPath(file.path()).name,
                                   {},
                                   WithoutPaths(file, plan.left_behind)};
    for (const checkpoint::SafetensorsTensor& tensor : file.tensors()) {
      // An opened checkpoint has no others but derived buffers.
      if (checkpoint::IsDerivedBuffer(tensor.spec.name)) continue;
      const std::optional<checkpoint::TensorName> name =
          checkpoint::ParseTensorName(tensor.spec.name);
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

absl::StatusOr<ConversionPlan> PlanMoeConversion(
    const checkpoint::Checkpoint& from, const checkpoint::MoeConfig& config,
    ConvertTensor convert) {
  std::map<std::string, std::string> contents;
  if (!checkpoint::IsPlainMixtral(config)) contents = ModelCodeFiles();
  contents[checkpoint::kConfigFile] = checkpoint::FormatMoeConfig(config);
  MOE_ASSIGN_OR_RETURN(ConversionPlan plan,
                       PlanConversion(from, std::move(contents), convert));
  MOE_CHECK(TensorsOf(plan.checkpoint) == checkpoint::MoeTensorSet(config));
  return plan;
}

absl::StatusOr<ConversionPlan> PlanDenseConversion(
    const checkpoint::Checkpoint& from, const checkpoint::LlamaConfig& config,
    ConvertTensor convert) {
  base::Json document = config.document;
  document["intermediate_size"] = config.intermediate_size;
  document.erase(checkpoint::kNameOrPathField);
  checkpoint::RemovePathFields(document);
  MOE_ASSIGN_OR_RETURN(
      ConversionPlan plan,
      PlanConversion(from,
                     {{checkpoint::kConfigFile, base::FormatJson(document)}},
                     convert));
  MOE_CHECK(TensorsOf(plan.checkpoint) == checkpoint::DenseTensorSet(config));
  return plan;
}

absl::Status CheckConversionOutput(ConversionPlan plan,
                                   const checkpoint::Checkpoint& from,
                                   const ConversionOutput& output) {
  // The writer's destructor removes what it has begun.
  return CreateWriter(std::move(plan.checkpoint), from, output).status();
}

absl::StatusOr<WrittenCheckpoint> WriteConversion(
    ConversionPlan plan, const checkpoint::Checkpoint& from,
    const ConversionOutput& output, const ConversionResources& resources) {
  if (output.max_shard_bytes.has_value()) {
    CutIntoShards(*output.max_shard_bytes, plan.checkpoint);
  }
  WrittenCheckpoint written;
  written.left_behind = std::move(plan.left_behind);
  written.num_shards = static_cast<int64_t>(plan.checkpoint.shards.size());
  std::vector<size_t> shard_bytes;
  for (const checkpoint::ShardPlan& shard : plan.checkpoint.shards) {
    shard_bytes.push_back(static_cast<size_t>(DataBytes(shard.tensors)));
    written.num_tensors += static_cast<int64_t>(shard.tensors.size());
    written.total_bytes += DataBytes(shard.tensors);
  }
  MOE_ASSIGN_OR_RETURN(
      const std::unique_ptr<checkpoint::CheckpointWriter> writer,
      CreateWriter(std::move(plan.checkpoint), from, output));
  ShardedAppender appender(std::move(shard_bytes), *writer);
  resources.progress.Start("writing", written.total_bytes, "bytes");
  MOE_ASSIGN_OR_RETURN(written.scaled, StreamPieces(
                                           plan.pieces,
                                           [&](absl::string_view bytes) {
                                             return appender.Append(bytes);
                                           },
                                           resources));
  MOE_RETURN_IF_ERROR(base::CheckFloatEnvironment("writing the checkpoint"));
  if (output.before_commit != nullptr) output.before_commit();
  MOE_RETURN_IF_ERROR(writer->Finish());
  resources.progress.Finish();
  return written;
}

}  // namespace moe::convert
