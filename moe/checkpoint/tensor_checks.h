// Checks the tensors of a checkpoint against its configuration. Also refuses
// quantized weights.

#ifndef MOE_CHECKPOINT_TENSOR_CHECKS_H_
#define MOE_CHECKPOINT_TENSOR_CHECKS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "moe/base/json.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor.h"
#include "moe/checkpoint/tensor_set.h"

namespace moe::checkpoint {

// Drops a stored lm_head.weight from `tensors` if tie_word_embeddings is true
// and it equals the embedding byte for byte. Reads both, 1 MiB at a time.
// InvalidArgument, with both remedies, if they differ.
absl::Status PassOverTiedHead(const LlamaConfig& config,
                              ShardedTensors& tensors);

// OK if every tensor of `want` is there with its shape and a weight type, and
// there is nothing else but derived buffers. InvalidArgument names the tensor,
// what was expected and found, and the remedy if there is one.
absl::Status CheckTensors(const TensorSet& want, const LlamaConfig& config,
                          const ShardedTensors& tensors);

// Whether the tensor holds packed weights or their scales: its type is an
// integer or a float of one byte, or quantization libraries give its name
// ("qweight", "weight_scale").
bool IsQuantized(const TensorSpec& tensor);

// Unimplemented if a tensor IsQuantized. Names the tensor and the method of
// `quantization_config` (null for none).
absl::Status CheckNotQuantized(const ShardedTensors& tensors,
                               const base::Json& quantization_config);

// The notice for a quantization_config beside weights that are not quantized:
// "PATH: ...".
std::string LeftoverQuantization(absl::string_view config_path,
                                 const base::Json& quantization_config);

}  // namespace moe::checkpoint

#endif  // MOE_CHECKPOINT_TENSOR_CHECKS_H_
