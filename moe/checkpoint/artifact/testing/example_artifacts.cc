#include "moe/checkpoint/artifact/testing/example_artifacts.h"

#include <cstdint>
#include <vector>

#include "moe/base/matrix.h"
#include "moe/checkpoint/artifact/distribution.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/checkpoint/artifact/importance_scores.h"
#include "moe/checkpoint/artifact/layer_parts.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/checkpoint/artifact/scale_factors.h"

namespace moe::checkpoint::testing {

GateWeights ExampleGateWeights() {
  GateWeights gates;
  gates.layers.emplace_back(
      2, 3, std::vector<float>{0.0f, 0.25f, 0.5f, 1.0f, 1.25f, 1.5f});
  gates.layers.emplace_back(
      2, 3, std::vector<float>{10.0f, 10.25f, 10.5f, 11.0f, 11.25f, -0.0f});
  return gates;
}

ImportanceScores ExampleImportanceScores(bool token_count) {
  ImportanceScores scores;
  for (int64_t i = 0; i < 2; ++i) {
    LayerImportanceScores layer;
    layer.scores = base::Matrix<float>(2, 4);
    for (int64_t c = 0; c < 2; ++c) {
      for (int64_t n = 0; n < 4; ++n) {
        layer.scores.Row(c)[static_cast<size_t>(n)] =
            static_cast<float>(i + c) + static_cast<float>(n) / 8.0f;
      }
    }
    if (token_count) layer.token_count = {5, 6};
    scores.layers.push_back(layer);
  }
  return scores;
}

NeuronIndices ExampleNeuronIndices(bool residual) {
  NeuronIndices indices;
  indices.layers.resize(2);
  indices.layers[0].experts = base::Matrix<int64_t>(2, 2, {5, 0, 4, 1});
  indices.layers[1].experts = base::Matrix<int64_t>(2, 2, {0, 1, 2, 3});
  if (residual) {
    indices.layers[0].residual = {2, 3};
    indices.layers[1].residual = {5, 4};
  }
  return indices;
}

Distribution ExampleDistribution() {
  FeatureMoments attn;
  attn.number = int64_t{1} << 40;
  // 1 + 2^-40 is no float.
  attn.mean = {1.0 + 0x1p-20, -2.0, 0.0};
  attn.variance = {0.5, 0.0, 4.0};
  FeatureMoments mlp;
  mlp.number = 7;
  mlp.mean = {1.0, 2.0, 3.0};
  mlp.variance = {0.25, 0.5, 0.75};
  Distribution distribution;
  distribution.layers.resize(2);
  distribution.layers[0].attn = attn;
  distribution.layers[0].mlp = mlp;
  distribution.layers[1].mlp = mlp;
  return distribution;
}

ScaleFactors ExampleScaleFactors() {
  ScaleFactors factors;
  LayerParts<ScaleFactor>& layer = factors.layers[1];
  layer.attn = ScaleFactor{{0.5f, 2.0f}, {0.0f, -1.0f}};
  layer.mlp = ScaleFactor{{1.5f, 1.0f}, {3.0f, -0.0f}};
  return factors;
}

}  // namespace moe::checkpoint::testing
