// The weights of one decoder layer, read from a dense checkpoint and packed.

#ifndef MOE_MODEL_LAYER_DECODER_LAYER_WEIGHTS_H_
#define MOE_MODEL_LAYER_DECODER_LAYER_WEIGHTS_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/checkpoint.h"
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

// Reads and packs layer `layer` of a dense checkpoint; beside the result, one
// tensor is in memory as it is stored. Upcasts exactly. Biases are there where
// the configuration has them (attention_bias, mlp_bias). The errors of reading;
// InvalidArgument, with the file, the tensor and the element, for a weight that
// is NaN or infinite.
absl::StatusOr<DecoderLayerWeights> ReadDecoderLayerWeights(
    const Checkpoint& checkpoint, int64_t layer, LayerPasses passes,
    ThreadPool& pool);

}  // namespace moe

#endif  // MOE_MODEL_LAYER_DECODER_LAYER_WEIGHTS_H_
