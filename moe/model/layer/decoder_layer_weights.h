// The weights of one decoder layer, read from a dense checkpoint and packed.

#ifndef MOE_MODEL_LAYER_DECODER_LAYER_WEIGHTS_H_
#define MOE_MODEL_LAYER_DECODER_LAYER_WEIGHTS_H_

#include <array>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/tensor.h"
#include "moe/model/layer/linear.h"

namespace moe {

// Notation as in moe/checkpoint/tensor_set.h.
struct DecoderLayerWeights {
  std::vector<float> input_norm;           // [H]
  std::vector<float> post_attention_norm;  // [H]
  Linear query;                            // [Q, H]
  Linear key;                              // [K, H]
  Linear value;                            // [K, H]
  Linear output;                           // [H, Q]
  Linear gate;                             // [I, H]
  Linear up;                               // [I, H]
  Linear down;                             // [H, I]

  int64_t size_bytes() const;
};

// The same as it is stored.
struct DecoderLayerTensors {
  HostTensor input_norm;
  HostTensor post_attention_norm;
  // In the order of the members above: query to down. The biases are empty
  // where the configuration has none.
  std::array<HostTensor, 7> weights;
  std::array<HostTensor, 7> biases;
};

// Reads layer `layer` of a dense checkpoint. Biases are there where the
// configuration has them (attention_bias, mlp_bias). The errors of ReadWeight.
// May be called by several threads at once.
absl::StatusOr<DecoderLayerTensors> ReadDecoderLayerTensors(
    const Checkpoint& checkpoint, int64_t layer);

// Upcasts exactly and packs for DecoderLayerForward, DecoderLayerBackward, or
// both; the backward alone multiplies with every weight both ways but with
// down's one way, as it never computes that product again. Frees each tensor as
// soon as it is packed.
DecoderLayerWeights PackDecoderLayer(DecoderLayerTensors tensors,
                                     LayerPasses passes, ThreadPool& pool);

// Reads and packs, one tensor after the other: beside the result, one is in
// memory as it is stored.
absl::StatusOr<DecoderLayerWeights> ReadDecoderLayerWeights(
    const Checkpoint& checkpoint, int64_t layer, LayerPasses passes,
    ThreadPool& pool);

// What the packed weights of one layer take, and what they take as they are
// stored, in bytes; all layers are alike but for their types.
int64_t PackedLayerBytes(const LlamaConfig& config, LayerPasses passes);
int64_t StoredLayerBytes(const Checkpoint& checkpoint, int64_t layer);
// The largest one of them, as it is stored.
int64_t LargestLayerTensorBytes(const Checkpoint& checkpoint, int64_t layer);

}  // namespace moe

#endif  // MOE_MODEL_LAYER_DECODER_LAYER_WEIGHTS_H_
