// Plans what a conversion writes, before any of it is written.
//
// A conversion says what replaces each tensor of the input. The shards, the
// tokenizer's files, config.json and the model code follow from that. Wrong
// options and artifacts are found while the plan is made.

#ifndef MOE_CONVERT_CONVERSION_PLAN_H_
#define MOE_CONVERT_CONVERSION_PLAN_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "moe/base/file_system.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/checkpoint_writer.h"
#include "moe/checkpoint/companion_files.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/convert/piece_stream.h"

namespace moe::convert {

// File name -> contents: kModelConfigurationFile and kModelCodeFile.
std::map<std::string, std::string> ModelCodeFiles();

// The tensors that replace one tensor. Their data are the pieces, one after
// another. None where the tensor became a part of another one's replacement.
struct Replacement {
  std::vector<checkpoint::TensorSpec> tensors;
  std::vector<TensorPiece> pieces;

  void Add(Replacement other);
};

// The tensor under another name (or its own).
Replacement CopyAs(const checkpoint::TensorName& name,
                   const checkpoint::TensorLocation& from);

// A tensor for each name: tensor i has the rows (axis 0) or columns (axis 1) of
// list i, in the order of the list. A vector has rows only. The caller keeps
// the lists.
Replacement Slice(const checkpoint::TensorLocation& from, size_t axis,
                  const std::vector<checkpoint::TensorName>& names,
                  const std::vector<absl::Span<const int64_t>>& lists);

// A tensor like `from` for each name, all with the data of `piece`.
Replacement Repeat(const checkpoint::TensorLocation& from,
                   const std::vector<checkpoint::TensorName>& names,
                   const TensorPiece& piece);

struct ConversionPlan {
  checkpoint::CheckpointPlan checkpoint;
  // The data of all shards.
  std::vector<TensorPiece> pieces;
  // What the new checkpoint does not get from the input.
  std::vector<checkpoint::LeftBehind> left_behind = {};
};

using ConvertTensor = absl::FunctionRef<absl::StatusOr<Replacement>(
    const checkpoint::TensorName&, const checkpoint::TensorLocation&)>;

// Shards of the same names and order as the input's, each with what stands in
// the place of its tensors, in their order; an index where the input has one.
// Copies the companion files and writes `contents`: config.json, model code.
// Buffers that follow from the configuration are left out, and so is a shard
// in which nothing is left. No path of another machine goes along: companion
// files that FindCompanionCopies leaves behind, path fields of the
// configuration, and entries of a shard's metadata whose value IsAbsolutePath
// are left behind, and the plan says so. Sets the floating-point modes of the
// calling thread before `convert` computes anything.
absl::StatusOr<ConversionPlan> PlanConversion(
    const checkpoint::Checkpoint& from,
    std::map<std::string, std::string> contents, ConvertTensor convert);

// PlanConversion to an MoE checkpoint of that configuration, with the model
// code that loads it, which a plain Mixtral does not need. What `convert` gives
// must be what the configuration calls for.
absl::StatusOr<ConversionPlan> PlanMoeConversion(
    const checkpoint::Checkpoint& from, const checkpoint::MoeConfig& config,
    ConvertTensor convert);

// PlanConversion to a dense checkpoint of that configuration: config.json is
// the configuration's document with its intermediate_size, without
// "_name_or_path" and the fields that RemovePathFields removes. What `convert`
// gives must be what the configuration calls for.
absl::StatusOr<ConversionPlan> PlanDenseConversion(
    const checkpoint::Checkpoint& from, const checkpoint::LlamaConfig& config,
    ConvertTensor convert);

struct ConversionOutput {
  std::string path;
  // As CheckpointWriterOptions.
  bool overwrite = false;
  base::FileSystem* file_system = &base::PosixFileSystem();
  // Called when all is written, before the checkpoint is at `path`.
  std::function<void()> before_commit = nullptr;
  // The most data of a shard, above 0. Tensors go into shards in their order; a
  // larger tensor has a shard of its own. Where it is not set, the plan's
  // shards are written.
  std::optional<int64_t> max_shard_bytes = std::nullopt;
};

struct WrittenCheckpoint {
  int64_t num_shards = 0;
  int64_t num_tensors = 0;
  // The size of the tensors' data: total_size of the index.
  int64_t total_bytes = 0;
  ScaledCounts scaled;
  // As the plan has it.
  std::vector<checkpoint::LeftBehind> left_behind = {};
};

// Checks before hours of work whether the plan, or another one of the same
// tensors, could be written: the errors of CheckpointWriter::Create, which
// checks the path and the free space. Leaves nothing behind.
absl::Status CheckConversionOutput(ConversionPlan plan,
                                   const checkpoint::Checkpoint& from,
                                   const ConversionOutput& output);

// Writes the plan, made from `from`. The errors of CheckpointWriter, those of
// Create before anything is written, of StreamPieces and of
// CheckFloatEnvironment. Nothing is at the path before all of it is.
absl::StatusOr<WrittenCheckpoint> WriteConversion(
    ConversionPlan plan, const checkpoint::Checkpoint& from,
    const ConversionOutput& output, const ConversionResources& resources);

}  // namespace moe::convert

#endif  // MOE_CONVERT_CONVERSION_PLAN_H_
