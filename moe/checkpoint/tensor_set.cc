#include "moe/checkpoint/tensor_set.h"

#include <cstdint>
#include <string>
#include <utility>

#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/checkpoint/tensor.h"
#include "moe/checkpoint/tensor_name.h"

namespace moe::checkpoint {
namespace {

// Gathers the tensors of one layer, or of none.
class Builder {
 public:
  Builder(int64_t layer, TensorSet& set) : layer_(layer), set_(set) {}

  void Add(TensorKind kind, Shape shape, int64_t expert = -1) {
    set_[FormatTensorName({kind, layer_, expert, /*is_bias=*/false})] =
        std::move(shape);
  }
  void AddBias(TensorKind kind, int64_t size, int64_t expert = -1) {
    set_[FormatTensorName({kind, layer_, expert, /*is_bias=*/true})] = {size};
  }
  // A linear layer from `in` features to `out`.
  void AddLinear(TensorKind kind, int64_t out, int64_t in, bool has_bias,
                 int64_t expert = -1) {
    Add(kind, {out, in}, expert);
    if (has_bias) AddBias(kind, out, expert);
  }

 private:
  const int64_t layer_;
  TensorSet& set_;
};

void AddOutsideOfLayers(const LlamaConfig& config, TensorSet& set) {
  Builder builder(-1, set);
  builder.Add(TensorKind::kEmbedding, {config.vocab_size, config.hidden_size});
  builder.Add(TensorKind::kFinalNorm, {config.hidden_size});
  if (!config.tie_word_embeddings) {
    builder.Add(TensorKind::kLmHead, {config.vocab_size, config.hidden_size});
  }
}

void AddNorms(const LlamaConfig& config, Builder& builder) {
  builder.Add(TensorKind::kInputNorm, {config.hidden_size});
  builder.Add(TensorKind::kPostAttentionNorm, {config.hidden_size});
}

void AddDenseAttention(const LlamaConfig& config, Builder& builder) {
  const bool bias = config.attention_bias;
  const int64_t hidden = config.hidden_size;
  builder.AddLinear(TensorKind::kQuery, config.QuerySize(), hidden, bias);
  builder.AddLinear(TensorKind::kKey, config.KeyValueSize(), hidden, bias);
  builder.AddLinear(TensorKind::kValue, config.KeyValueSize(), hidden, bias);
  builder.AddLinear(TensorKind::kOutput, hidden, config.QuerySize(), bias);
}

void AddAttentionExperts(const MoeConfig& config, Builder& builder) {
  const LlamaConfig& decoder = config.decoder;
  const int64_t hidden = decoder.hidden_size;
  const int64_t query_size = decoder.QuerySize() / config.attn_experts;
  const bool bias = decoder.attention_bias;
  builder.Add(TensorKind::kAttentionRouter, {config.attn_experts, hidden});
  for (int64_t e = 0; e < config.attn_experts; ++e) {
    builder.AddLinear(TensorKind::kQuery, query_size, hidden, bias, e);
    builder.AddLinear(TensorKind::kKey, decoder.head_dim, hidden, bias, e);
    builder.AddLinear(TensorKind::kValue, decoder.head_dim, hidden, bias, e);
    builder.AddLinear(TensorKind::kOutput, hidden, query_size,
                      bias || config.add_rescale_bias, e);
  }
}

struct MlpKinds {
  TensorKind gate;
  TensorKind up;
  TensorKind down;
};

struct MlpBias {
  bool gate_and_up = false;
  bool down = false;
};

void AddMlp(const MlpKinds& kinds, int64_t size, int64_t hidden, MlpBias bias,
            Builder& builder, int64_t expert = -1) {
  builder.AddLinear(kinds.gate, size, hidden, bias.gate_and_up, expert);
  builder.AddLinear(kinds.up, size, hidden, bias.gate_and_up, expert);
  builder.AddLinear(kinds.down, hidden, size, bias.down, expert);
}

constexpr MlpKinds kDenseMlp = {TensorKind::kMlpGate, TensorKind::kMlpUp,
                                TensorKind::kMlpDown};
constexpr MlpKinds kContractMlp = {TensorKind::kContractGate,
                                   TensorKind::kContractUp,
                                   TensorKind::kContractDown};
constexpr MlpKinds kExpertMlp = {TensorKind::kExpertGate, TensorKind::kExpertUp,
                                 TensorKind::kExpertDown};
constexpr MlpKinds kResidualMlp = {TensorKind::kResidualGate,
                                   TensorKind::kResidualUp,
                                   TensorKind::kResidualDown};

void AddMlpExperts(const MoeConfig& config, Builder& builder) {
  const int64_t hidden = config.decoder.hidden_size;
  const bool bias = config.decoder.mlp_bias;
  builder.Add(TensorKind::kRouter, {config.num_local_experts, hidden});
  for (int64_t e = 0; e < config.num_local_experts; ++e) {
    AddMlp(kExpertMlp, config.expert_intermediate_size, hidden,
           {bias, bias || config.add_rescale_bias}, builder, e);
  }
  if (config.intermediate_size_residual.has_value()) {
    AddMlp(kResidualMlp, *config.intermediate_size_residual, hidden,
           {bias, bias}, builder);
  }
}

}  // namespace

TensorSet DenseTensorSet(const LlamaConfig& config) {
  TensorSet set;
  AddOutsideOfLayers(config, set);
  for (int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    Builder builder(layer, set);
    AddNorms(config, builder);
    AddDenseAttention(config, builder);
    AddMlp(kDenseMlp, config.intermediate_size, config.hidden_size,
           {config.mlp_bias, config.mlp_bias}, builder);
  }
  return set;
}

TensorSet MoeTensorSet(const MoeConfig& config) {
  const LlamaConfig& decoder = config.decoder;
  TensorSet set;
  AddOutsideOfLayers(decoder, set);
  for (int64_t layer = 0; layer < decoder.num_hidden_layers; ++layer) {
    Builder builder(layer, set);
    AddNorms(decoder, builder);
    const bool contract = config.IsContractLayer(layer);
    if (config.use_attn_moe && !contract) {
      AddAttentionExperts(config, builder);
    } else {
      AddDenseAttention(decoder, builder);
    }
    if (config.num_local_experts > 0 && !contract) {
      AddMlpExperts(config, builder);
    } else {
      AddMlp(kContractMlp, decoder.intermediate_size, decoder.hidden_size,
             {decoder.mlp_bias, decoder.mlp_bias}, builder);
    }
  }
  return set;
}

}  // namespace moe::checkpoint
