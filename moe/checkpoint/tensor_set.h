// The tensors of a configuration, with their shapes.

#ifndef MOE_CHECKPOINT_TENSOR_SET_H_
#define MOE_CHECKPOINT_TENSOR_SET_H_

#include <map>
#include <string>

#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/checkpoint/tensor.h"

namespace moe::checkpoint {

// Name -> shape of every tensor, no more and no less. Linear layers are [out,
// in].
using TensorSet = std::map<std::string, Shape>;

// Notation: V vocabulary, H hidden, I intermediate size, Q = heads * head_dim,
// K = KV heads * head_dim. Embedding and lm_head [V, H] (lm_head only where it
// is not tied to the embedding), norms [H]; q_proj [Q, H], k_proj and v_proj
// [K, H], o_proj [H, Q]; gate_proj and up_proj [I, H], down_proj [H, I]; biases
// where the configuration has them.
TensorSet DenseTensorSet(const LlamaConfig& config);

// With E experts of size S in a layer that is not a contract layer: router [E,
// H], w1 and w3 [S, H], w2 [H, S]; with A attention experts: router [A, H], and
// of each, its share of the query heads and its KV head; expert biases [H]
// where add_rescale_bias is set.
TensorSet MoeTensorSet(const MoeConfig& config);

}  // namespace moe::checkpoint

#endif  // MOE_CHECKPOINT_TENSOR_SET_H_
