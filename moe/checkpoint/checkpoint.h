// A checkpoint directory, opened and held to its configuration.
//
// Opening reads config.json, the index and the headers of the shards, and no
// weights but those of a head that may be the embedding's copy. Afterwards
// every tensor that the configuration calls for is known to be there, with its
// shape and a floating type, and nothing else is but derived buffers.
//
// Taken, too: names that all begin with a wrapper's prefix, or all lack
// "model." (see NamePrefix); a copy of the embedding as lm_head.weight where
// the two are tied, which is passed over; a quantization_config beside weights
// that are not quantized, which is named on stderr, as an adapter is that lies
// beside the weights.

#ifndef MOE_CHECKPOINT_CHECKPOINT_H_
#define MOE_CHECKPOINT_CHECKPOINT_H_

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/base/progress.h"
#include "moe/checkpoint/companion_files.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/checkpoint/name_prefix.h"
#include "moe/checkpoint/sharded_tensors.h"

namespace moe {

inline constexpr char kConfigFile[] = "config.json";

using CheckpointConfig = std::variant<LlamaConfig, MoeConfig>;

// A dense LLaMA's configuration, or that of an MoE, told apart by model_type:
// IsMoeModelType, or "llama".
absl::StatusOr<CheckpointConfig> ParseCheckpointConfig(absl::string_view text);

// What the two kinds share.
const LlamaConfig& DecoderConfig(const CheckpointConfig& config);

class Checkpoint {
 public:
  // NotFound if the directory, its config.json, its weights or a shard is
  // missing; InvalidArgument, DataLoss, ResourceExhausted or Unimplemented as
  // the parts report. Messages name the file, and the tensor or field.
  static absl::StatusOr<Checkpoint> Open(absl::string_view directory);

  const std::string& directory() const { return directory_; }
  const CheckpointConfig& config() const { return config_; }
  // Null for a checkpoint of the other kind.
  const LlamaConfig* dense_config() const {
    return std::get_if<LlamaConfig>(&config_);
  }
  const MoeConfig* moe_config() const {
    return std::get_if<MoeConfig>(&config_);
  }
  // Under the model's names.
  const ShardedTensors& tensors() const { return tensors_; }
  // From a name in the files to the model's.
  const NamePrefix& name_prefix() const { return name_prefix_; }

  // Files that belong to the model whatever its weights are: tokenizer,
  // generation defaults, licence. Names in the directory, sorted; wherever
  // links lead.
  absl::StatusOr<std::vector<std::string>> CompanionFiles() const;

  // Those of them that another checkpoint may get: see FindCompanionCopies.
  absl::StatusOr<CompanionCopies> CompanionsToCopy() const;

  // Reads every weight. InvalidArgument names the first NaN or infinity: file,
  // tensor, position.
  absl::Status CheckFinite(Progress& progress) const;

 private:
  Checkpoint(std::string directory, CheckpointConfig config,
             ShardedTensors tensors, NamePrefix name_prefix)
      : directory_(std::move(directory)),
        config_(std::move(config)),
        tensors_(std::move(tensors)),
        name_prefix_(std::move(name_prefix)) {}

  std::string directory_;
  CheckpointConfig config_;
  ShardedTensors tensors_;
  NamePrefix name_prefix_;
};

}  // namespace moe

#endif  // MOE_CHECKPOINT_CHECKPOINT_H_
