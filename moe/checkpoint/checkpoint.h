// A checkpoint directory, opened and checked against its configuration.
//
// Opening reads config.json, the index and the headers of the shards. It reads
// no weights, except to compare a stored head with the embedding. After that,
// every tensor of the configuration is there with its shape and a floating
// type, and there are no other tensors but derived buffers.
//
// Accepted deviations: all names have a wrapper's prefix, or all lack "model."
// (see NamePrefix); a tied lm_head.weight is stored and equals the embedding
// (ignored); a quantization_config or an adapter lies beside weights that are
// not quantized (ignored, with a notice on stderr).

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
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/companion_files.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor_name.h"

namespace moe::checkpoint {

inline constexpr char kConfigFile[] = "config.json";

using CheckpointConfig = std::variant<LlamaConfig, MoeConfig>;

// A dense LLaMA's configuration, or that of an MoE, told apart by model_type:
// IsMoeModelType, or "llama".
absl::StatusOr<CheckpointConfig> ParseCheckpointConfig(absl::string_view text);

// The part that both kinds share.
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

  // Files that belong to the model apart from its weights: tokenizer,
  // generation defaults, licence. Returns sorted names in the directory, links
  // included.
  absl::StatusOr<std::vector<std::string>> CompanionFiles() const;

  // The companion files to copy into another checkpoint: see
  // FindCompanionCopies.
  absl::StatusOr<CompanionCopies> CompanionsToCopy() const;

  // Reads every weight. InvalidArgument names the first NaN or infinity: file,
  // tensor, position.
  absl::Status CheckFinite(base::Progress& progress) const;

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

// SHA-256, in hexadecimal, over a line "SHA256  NAME" for config.json and then
// for every weight file, sorted by name, as sha256sum writes them. Reads all
// weights. Errors are those of the files.
absl::StatusOr<std::string> CheckpointDigest(const Checkpoint& checkpoint,
                                             base::Progress& progress);

}  // namespace moe::checkpoint

#endif  // MOE_CHECKPOINT_CHECKPOINT_H_
