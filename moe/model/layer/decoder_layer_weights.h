// The weights of one decoder layer, dense or with experts, read from a
// checkpoint and packed.

#ifndef MOE_MODEL_LAYER_DECODER_LAYER_WEIGHTS_H_
#define MOE_MODEL_LAYER_DECODER_LAYER_WEIGHTS_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/tensor.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/model/layer/linear.h"

namespace moe {

// Notation as in moe/checkpoint/tensor_set.h; of an attention expert, Q and K
// are its own queries' and keys'.
struct AttentionWeights {
  Linear query;   // [Q, H]
  Linear key;     // [K, H]
  Linear value;   // [K, H]
  Linear output;  // [H, Q]
};

struct MlpWeights {
  Linear gate;  // [I, H]
  Linear up;    // [I, H]
  Linear down;  // [H, I]

  bool empty() const { return down.num_outputs() == 0; }
};

// What a router chooses from. Without experts where the layer has none.
template <typename Weights>
struct ExpertWeights {
  Linear router;  // [num_experts, H]
  std::vector<Weights> experts;

  bool empty() const { return experts.empty(); }
};

struct DecoderLayerWeights {
  std::vector<float> input_norm;           // [H]
  std::vector<float> post_attention_norm;  // [H]
  // Every token's; empty where the attention has experts.
  AttentionWeights attention;
  ExpertWeights<AttentionWeights> attention_experts;
  // Every token's: without experts the dense MLP, beside experts the residual
  // one; empty where every expert is chosen.
  MlpWeights mlp;
  ExpertWeights<MlpWeights> mlp_experts;

  bool has_residual() const { return !mlp_experts.empty() && !mlp.empty(); }
  int64_t size_bytes() const;
};

// The same as it is stored.
struct LinearTensors {
  TensorName name;  // The weight's.
  HostTensor weight;
  HostTensor bias;  // Empty where there is none.
};
struct DecoderLayerTensors {
  HostTensor input_norm;
  HostTensor post_attention_norm;
  std::vector<LinearTensors> linears;
};

// Reads layer `layer`. The errors of ReadWeight. May be called by several
// threads at once.
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

// What the packed weights of a layer take, and what they take as they are
// stored, in bytes.
int64_t PackedLayerBytes(const Checkpoint& checkpoint, int64_t layer,
                         LayerPasses passes);
int64_t StoredLayerBytes(const Checkpoint& checkpoint, int64_t layer);
// The largest one of them, as it is stored.
int64_t LargestLayerTensorBytes(const Checkpoint& checkpoint, int64_t layer);

}  // namespace moe

#endif  // MOE_MODEL_LAYER_DECODER_LAYER_WEIGHTS_H_
