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

namespace moe::model {

// Notation as in moe/checkpoint/tensor_set.h. For an attention expert, Q and K
// are the sizes of its own queries and keys.
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

// A router and its experts; empty if the layer has none.
template <typename Weights>
struct ExpertWeights {
  Linear router;  // [num_experts, H]
  std::vector<Weights> experts;

  bool empty() const { return experts.empty(); }
};

struct DecoderLayerWeights {
  std::vector<float> input_norm;           // [H]
  std::vector<float> post_attention_norm;  // [H]
  // For every token; empty if the attention has experts.
  AttentionWeights attention;
  ExpertWeights<AttentionWeights> attention_experts;
  // For every token: the dense MLP, or the residual expert beside experts.
  // Empty if there are experts and no residual expert.
  MlpWeights mlp;
  ExpertWeights<MlpWeights> mlp_experts;

  bool has_residual() const { return !mlp_experts.empty() && !mlp.empty(); }
  int64_t size_bytes() const;
};

// The same weights as they are stored.
struct LinearTensors {
  checkpoint::TensorName name;  // The weight's.
  checkpoint::HostTensor weight;
  checkpoint::HostTensor bias;  // Empty if there is none.
};
struct DecoderLayerTensors {
  checkpoint::HostTensor input_norm;
  checkpoint::HostTensor post_attention_norm;
  std::vector<LinearTensors> linears;
};

// Reads layer `layer`. The errors of ReadWeight. Several threads may call it at
// once.
absl::StatusOr<DecoderLayerTensors> ReadDecoderLayerTensors(
    const checkpoint::Checkpoint& checkpoint, int64_t layer);

// Upcasts exactly and packs for DecoderLayerForward, DecoderLayerBackward, or
// both. The backward alone needs every weight packed both ways, except that of
// down, whose forward product it does not compute again. Frees each tensor as
// soon as it is packed.
DecoderLayerWeights PackDecoderLayer(DecoderLayerTensors tensors,
                                     LayerPasses passes,
                                     base::ThreadPool& pool);

// Reads and packs one tensor after the other, so that only one stored tensor is
// in memory beside the result.
absl::StatusOr<DecoderLayerWeights> ReadDecoderLayerWeights(
    const checkpoint::Checkpoint& checkpoint, int64_t layer, LayerPasses passes,
    base::ThreadPool& pool);

// The bytes of the weights of a layer, packed and as they are stored.
int64_t PackedLayerBytes(const checkpoint::Checkpoint& checkpoint,
                         int64_t layer, LayerPasses passes);
int64_t StoredLayerBytes(const checkpoint::Checkpoint& checkpoint,
                         int64_t layer);
// The bytes of the largest tensor of the layer, as it is stored.
int64_t LargestLayerTensorBytes(const checkpoint::Checkpoint& checkpoint,
                                int64_t layer);

}  // namespace moe::model

#endif  // MOE_MODEL_LAYER_DECODER_LAYER_WEIGHTS_H_
