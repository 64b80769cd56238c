// The configuration of a dense checkpoint, for commands that need no weights.

#ifndef MOE_STEPS_DENSE_CONFIG_H_
#define MOE_STEPS_DENSE_CONFIG_H_

#include <string>

#include "absl/status/statusor.h"
#include "moe/checkpoint/llama_config.h"

namespace moe {

// The errors of Checkpoint::Open; InvalidArgument if it is not dense.
absl::StatusOr<LlamaConfig> DenseConfigOf(const std::string& model_path);

}  // namespace moe

#endif  // MOE_STEPS_DENSE_CONFIG_H_
