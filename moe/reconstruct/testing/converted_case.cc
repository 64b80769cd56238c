#include "moe/reconstruct/testing/converted_case.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/matrix.h"
#include "moe/base/philox.h"
#include "moe/base/progress.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/convert/convert_mlp.h"
#include "moe/convert/mlp_options.pb.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::reconstruct::testing {
namespace {

constexpr int64_t kResidualSize = 32;
constexpr int64_t kVocabulary = 512;

checkpoint::GateWeights Gates(const ConvertedCase& c,
                              const checkpoint::LlamaConfig& config) {
  checkpoint::GateWeights gates;
  for (int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    base::Matrix<float> gate =
        base::Matrix<float>::Zeros(c.num_experts, config.hidden_size);
    base::RandomStream stream(7, absl::StrCat("gates/", layer));
    for (float& value : gate.values()) {
      value = c.flat ? 0.0f : stream.UniformSymmetric(0.5f);
    }
    gates.layers.push_back(std::move(gate));
  }
  return gates;
}

checkpoint::NeuronIndices Indices(const ConvertedCase& c,
                                  const checkpoint::LlamaConfig& config) {
  const int64_t first = c.residual ? kResidualSize : 0;
  const int64_t size = (config.intermediate_size - first) / c.num_experts;
  checkpoint::LayerNeuronIndices layer;
  layer.experts = base::Matrix<int64_t>(c.num_experts, size);
  int64_t next = first;
  for (int64_t& index : layer.experts.values()) index = next++;
  if (c.residual) {
    layer.residual.emplace();
    for (int64_t i = 0; i < first; ++i) layer.residual->push_back(i);
  }
  checkpoint::NeuronIndices indices;
  indices.layers.assign(static_cast<size_t>(config.num_hidden_layers), layer);
  return indices;
}

}  // namespace

void WriteConverted(const ConvertedCase& c, const std::string& to) {
  const checkpoint::Checkpoint dense =
      checkpoint::Checkpoint::Open(c.dense).value();
  const checkpoint::GateWeights gates = Gates(c, *dense.dense_config());
  const checkpoint::NeuronIndices indices = Indices(c, *dense.dense_config());
  MlpConversionOptions options;
  options.set_kind(c.residual ? MlpConversionOptions::RESIDUAL
                              : MlpConversionOptions::VANILLA);
  options.set_num_experts(c.num_experts);
  options.set_top_k(c.top_k);
  options.set_scale_factor(c.scale_factor);
  options.set_num_moe_contract_layers(c.num_contract);
  base::ThreadPool pool(1);
  base::Progress progress(base::Progress::Style::kSilent, {});
  MOE_CHECK(convert::ConvertMlp(dense, options,
                                {&gates, "gates", &indices, "indices"}, {to},
                                {pool, progress})
                .ok());
}

text::TokenSequences DrawnSequences(int64_t num_sequences) {
  text::TokenSequences sequences;
  base::RandomStream stream(11, "tokens");
  for (int64_t s = 0; s < num_sequences; ++s) {
    std::vector<int32_t> ids(2 + stream.UniformInt(47));
    for (int32_t& id : ids) {
      id = static_cast<int32_t>(stream.UniformInt(kVocabulary));
    }
    sequences.Append(ids, ids);
  }
  return sequences;
}

}  // namespace moe::reconstruct::testing
