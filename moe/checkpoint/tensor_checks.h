// Holds the tensors of a checkpoint to its configuration.

#ifndef MOE_CHECKPOINT_TENSOR_CHECKS_H_
#define MOE_CHECKPOINT_TENSOR_CHECKS_H_

#include "absl/status/status.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor_set.h"

namespace moe {

// Passes over a stored lm_head.weight where tie_word_embeddings is true and it
// is the embedding byte for byte. Reads both, 1 MiB at a time, and nothing
// where there is no such pair. InvalidArgument, with both ways out, if they
// differ.
absl::Status PassOverTiedHead(const LlamaConfig& config,
                              ShardedTensors& tensors);

// Every tensor of `want` is there with its shape and a type of weights, and
// nothing else is, but derived buffers. InvalidArgument names the tensor, what
// was expected and found, and where something can be done, what.
absl::Status CheckTensors(const TensorSet& want, const LlamaConfig& config,
                          const ShardedTensors& tensors);

}  // namespace moe

#endif  // MOE_CHECKPOINT_TENSOR_CHECKS_H_
