// A decoder layer of drawn weights, as the layer's code takes it and in double,
// as its reference does.

#ifndef MOE_MODEL_LAYER_TESTING_DRAWN_LAYER_H_
#define MOE_MODEL_LAYER_TESTING_DRAWN_LAYER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/kernels/gemm/packed_matrix.h"
#include "moe/kernels/testing/kernel_test.h"
#include "moe/model/layer/decoder_layer_weights.h"
#include "moe/model/layer/expert_routing.h"
#include "moe/model/layer/layer_batch.h"
#include "moe/model/layer/linear.h"
#include "moe/model/layer/rotary_tables.h"
#include "moe/model/layer/testing/decoder_layer_reference.h"

namespace moe::model::testing {

inline std::vector<double> Widen(const std::vector<float>& values) {
  return {values.begin(), values.end()};
}

inline std::vector<int64_t> Offsets(absl::Span<const int64_t> lengths) {
  std::vector<int64_t> offsets = {0};
  for (const int64_t length : lengths) {
    offsets.push_back(offsets.back() + length);
  }
  return offsets;
}

// Dense where a number of experts is 0.
struct DrawnExperts {
  int64_t num_experts = 0;
  int64_t expert_size = 11;
  bool has_residual = false;
  RoutingOptions mlp_routing = {};
  int64_t num_attention_experts = 0;
  RoutingOptions attention_routing = {};
};

// Hidden size 20, intermediate size 37, 4 heads of size 6, 2 KV heads, biases.
struct DrawnLayer {
  DrawnLayer(base::ThreadPool& pool, absl::Span<const int64_t> lengths,
             const DrawnExperts& drawn = {})
      : config(SmallConfig()),
        rotary(RotaryTables::Create(config, lengths, pool).value()),
        experts(drawn) {
    want.config = config;
    want.frequencies = Widen(ScaledRopeFrequencies(config, 1).value());
    weights.input_norm = Draw("input_norm", 1, config.hidden_size).Values();
    want.input_norm = Widen(weights.input_norm);
    weights.post_attention_norm =
        Draw("post_norm", 1, config.hidden_size).Values();
    want.post_attention_norm = Widen(weights.post_attention_norm);
    AddAttention(pool);
    AddMlp(pool);
  }

  static kernels::testing::TestMatrix Draw(absl::string_view name, int64_t rows,
                                           int64_t cols) {
    return kernels::testing::TestMatrix(rows, cols).Fill(name);
  }

  DecoderLayer View(const LayerBlocks& blocks = {}) const {
    return {&config,
            &weights,
            &rotary,
            blocks,
            experts.attention_routing,
            experts.mlp_routing};
  }

  checkpoint::LlamaConfig config;
  RotaryTables rotary;
  DrawnExperts experts;
  DecoderLayerWeights weights;
  reference::DecoderLayer want;

 private:
  static checkpoint::LlamaConfig SmallConfig() {
    checkpoint::LlamaConfig config;
    config.hidden_size = 20;
    config.intermediate_size = 37;
    config.num_attention_heads = 4;
    config.num_key_value_heads = 2;
    config.head_dim = 6;
    config.rms_norm_eps = 1e-5;
    config.attention_bias = true;
    config.mlp_bias = true;
    config.rope.type = checkpoint::RopeType::kLinear;
    config.rope.factor = 2.0;
    return config;
  }

  static void Add(const std::string& name, int64_t out, int64_t in,
                  base::ThreadPool& pool, Linear& linear,
                  reference::Linear& wide) {
    kernels::testing::TestMatrix weight = Draw(name, out, in);
    const std::vector<float> bias = Draw(name + ".bias", 1, out).Values();
    linear = PackLinear(kernels::WeightView(weight.view()), bias,
                        LayerPasses::kForwardAndBackward, pool);
    wide = {Widen(weight.Values()), Widen(bias)};
  }

  void AddRouter(const std::string& name, int64_t num_experts,
                 base::ThreadPool& pool, Linear& linear,
                 reference::Linear& wide) const {
    kernels::testing::TestMatrix weight =
        Draw(name, num_experts, config.hidden_size);
    linear = PackLinear(kernels::WeightView(weight.view()), {},
                        LayerPasses::kForward, pool);
    wide = {Widen(weight.Values()), {}};
  }

  void AddAttentionWeights(const std::string& suffix, int64_t query_size,
                           int64_t key_size, base::ThreadPool& pool,
                           AttentionWeights& got,
                           reference::AttentionWeights& wide) const {
    const int64_t h = config.hidden_size;
    Add("query" + suffix, query_size, h, pool, got.query, wide.query);
    Add("key" + suffix, key_size, h, pool, got.key, wide.key);
    Add("value" + suffix, key_size, h, pool, got.value, wide.value);
    Add("output" + suffix, h, query_size, pool, got.output, wide.output);
  }

  void AddMlpWeights(const std::string& suffix, int64_t size,
                     base::ThreadPool& pool, MlpWeights& got,
                     reference::MlpWeights& wide) const {
    const int64_t h = config.hidden_size;
    Add("gate" + suffix, size, h, pool, got.gate, wide.gate);
    Add("up" + suffix, size, h, pool, got.up, wide.up);
    Add("down" + suffix, h, size, pool, got.down, wide.down);
  }

  void AddAttention(base::ThreadPool& pool) {
    const int64_t count = experts.num_attention_experts;
    if (count == 0) {
      AddAttentionWeights("", config.QuerySize(), config.KeyValueSize(), pool,
                          weights.attention, want.attention);
      return;
    }
    auto& got = weights.attention_experts;
    auto& wide = want.attention_experts;
    AddRouter("attention_router", count, pool, got.router, wide.router);
    got.experts.resize(static_cast<size_t>(count));
    wide.experts.resize(static_cast<size_t>(count));
    for (size_t e = 0; e < got.experts.size(); ++e) {
      AddAttentionWeights(absl::StrCat(".", e), config.QuerySize() / count,
                          config.head_dim, pool, got.experts[e],
                          wide.experts[e]);
    }
    wide.top_k = experts.attention_routing.top_k;
    wide.scale = experts.attention_routing.scale;
  }

  void AddMlp(base::ThreadPool& pool) {
    if (experts.num_experts == 0 || experts.has_residual) {
      AddMlpWeights("", config.intermediate_size, pool, weights.mlp, want.mlp);
    }
    if (experts.num_experts == 0) return;
    auto& got = weights.mlp_experts;
    auto& wide = want.mlp_experts;
    AddRouter("router", experts.num_experts, pool, got.router, wide.router);
    got.experts.resize(static_cast<size_t>(experts.num_experts));
    wide.experts.resize(static_cast<size_t>(experts.num_experts));
    for (size_t e = 0; e < got.experts.size(); ++e) {
      AddMlpWeights(absl::StrCat(".", e), experts.expert_size, pool,
                    got.experts[e], wide.experts[e]);
    }
    wide.top_k = experts.mlp_routing.top_k;
    wide.scale = experts.mlp_routing.scale;
  }
};

}  // namespace moe::model::testing

#endif  // MOE_MODEL_LAYER_TESTING_DRAWN_LAYER_H_
