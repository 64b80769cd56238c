// The decoder layer of moe/model/layer/decoder_layer.h in double, by obvious
// loops, and without a backward: its derivatives are taken by moving its
// inputs.

#ifndef MOE_MODEL_LAYER_DECODER_LAYER_REFERENCE_H_
#define MOE_MODEL_LAYER_DECODER_LAYER_REFERENCE_H_

#include <cstdint>
#include <vector>

#include "moe/checkpoint/llama_config.h"

namespace moe::reference {

struct Linear {
  std::vector<double> weight;  // [out, in], row-major, as all matrices here.
  std::vector<double> bias;    // [out], or empty.
};

struct DecoderLayer {
  LlamaConfig config;
  std::vector<double> frequencies;  // Of RoPE, [head_dim / 2].
  std::vector<double> input_norm;
  std::vector<double> post_attention_norm;
  Linear query, key, value, output, gate, up, down;
};

struct LayerInput {
  std::vector<int64_t> offsets;
  std::vector<double> hidden;             // [T, H]
  std::vector<double> activation_offset;  // Added to a, [T, I]; may be empty.
};

struct LayerOutput {
  std::vector<double> attention_output;  // [T, H]
  std::vector<double> mlp_input;         // [T, H]
  std::vector<double> activation;        // [T, I]
  std::vector<double> mlp_output;        // [T, H]
  std::vector<double> y;                 // [T, H]
};

LayerOutput DecoderLayerForward(const DecoderLayer& layer,
                                const LayerInput& input);

}  // namespace moe::reference

#endif  // MOE_MODEL_LAYER_DECODER_LAYER_REFERENCE_H_
