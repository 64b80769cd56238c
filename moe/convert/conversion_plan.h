// What a conversion writes, before any of it is written.
//
// A conversion says of each tensor of the input what stands in its place; the
// shards, the tokenizer's files, config.json and the model code follow from
// that. All that can be wrong with options and artifacts is found while the
// plan is made.

#ifndef MOE_CONVERT_CONVERSION_PLAN_H_
#define MOE_CONVERT_CONVERSION_PLAN_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "moe/base/file_system.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/checkpoint_writer.h"
#include "moe/checkpoint/companion_files.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/convert/piece_stream.h"
#include "moe/convert/tensor_piece.h"

namespace moe {

// What stands in the place of one tensor: some, whose data are the pieces, one
// after another; none where it went into another's.
struct Replacement {
  std::vector<TensorSpec> tensors;
  std::vector<TensorPiece> pieces;

  void Add(Replacement other);
};

// The tensor under another name (or its own).
Replacement CopyAs(const TensorName& name, const TensorLocation& from);

struct ConversionPlan {
  CheckpointPlan checkpoint;
  // The data of all shards.
  std::vector<TensorPiece> pieces;
  // What of the input the new checkpoint does not get.
  std::vector<LeftBehind> left_behind = {};
};

using ConvertTensor = absl::FunctionRef<absl::StatusOr<Replacement>(
    const TensorName&, const TensorLocation&)>;

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
    const Checkpoint& from, std::map<std::string, std::string> contents,
    ConvertTensor convert);

// PlanConversion to an MoE checkpoint of that configuration, with the model
// code that loads it, which a plain Mixtral does not need. What `convert` gives
// must be what the configuration calls for.
absl::StatusOr<ConversionPlan> PlanMoeConversion(const Checkpoint& from,
                                                 const MoeConfig& config,
                                                 ConvertTensor convert);

struct ConversionOutput {
  std::string path;
  // As CheckpointWriterOptions.
  bool overwrite = false;
  FileSystem* file_system = &PosixFileSystem();
  // Called when all is written, before the checkpoint is at `path`.
  std::function<void()> before_commit = nullptr;
  // Data of a shard at most, above 0: the tensors are cut into shards in their
  // order, and one that is larger has a shard of its own. The plan's shards
  // where it is not set.
  std::optional<int64_t> max_shard_bytes = std::nullopt;
};

struct WrittenCheckpoint {
  int64_t num_shards = 0;
  int64_t num_tensors = 0;
  // Of the tensors' data: total_size of the index.
  int64_t total_bytes = 0;
  ScaledCounts scaled;
  // As the plan has it.
  std::vector<LeftBehind> left_behind = {};
};

// Writes the plan, made from `from`. The errors of CheckpointWriter, those of
// Create before anything is written, of StreamPieces and of
// CheckFloatEnvironment. Nothing is at the path before all of it is.
absl::StatusOr<WrittenCheckpoint> WriteConversion(
    ConversionPlan plan, const Checkpoint& from, const ConversionOutput& output,
    const ConversionResources& resources);

}  // namespace moe

#endif  // MOE_CONVERT_CONVERSION_PLAN_H_
