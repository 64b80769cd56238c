// The decoder layer of moe/model/layer/decoder_layer.h in double, by obvious
// loops, and without a backward: its derivatives are taken by moving its
// inputs.

#ifndef MOE_MODEL_LAYER_TESTING_DECODER_LAYER_REFERENCE_H_
#define MOE_MODEL_LAYER_TESTING_DECODER_LAYER_REFERENCE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "moe/checkpoint/llama_config.h"

namespace moe::model::reference {

struct Linear {
  std::vector<double> weight;  // [out, in], row-major, as all matrices here.
  std::vector<double> bias;    // [out], or empty.
};

struct AttentionWeights {
  Linear query, key, value, output;
};

struct MlpWeights {
  Linear gate, up, down;
};

template <typename Weights>
struct Experts {
  Linear router;
  std::vector<Weights> experts;
  int64_t top_k = 1;
  double scale = 1.0;
};

struct DecoderLayer {
  checkpoint::LlamaConfig config;
  std::vector<double> frequencies;  // RoPE's, [head_dim / 2].
  std::vector<double> input_norm;
  std::vector<double> post_attention_norm;
  AttentionWeights attention;
  // In place of it, if there are any.
  Experts<AttentionWeights> attention_experts;
  MlpWeights mlp;  // Beside experts: the residual one, or empty.
  Experts<MlpWeights> mlp_experts;
};

struct LayerInput {
  std::vector<int64_t> offsets;
  std::vector<double> hidden;             // [T, H]
  std::vector<double> activation_offset;  // Added to a, [T, I]; may be empty.
};

struct LayerOutput {
  std::vector<double> attention_output;  // [T, H]
  std::vector<double> mlp_input;         // [T, H]
  std::vector<double> activation;        // The dense MLP's, [T, I].
  std::vector<double> mlp_output;        // Without the residual, [T, H].
  std::vector<double> residual;          // [T, H], or empty.
  std::vector<double> y;                 // [T, H]
};

// Expert -> weight of a token with input x [H], for the chosen: of the softmax
// of the logits the top_k largest, ties to the lowest expert, over their sum,
// times scale.
std::map<size_t, double> Route(const Linear& router, int64_t top_k,
                               double scale, const std::vector<double>& x);

LayerOutput DecoderLayerForward(const DecoderLayer& layer,
                                const LayerInput& input);

}  // namespace moe::model::reference

#endif  // MOE_MODEL_LAYER_TESTING_DECODER_LAYER_REFERENCE_H_
