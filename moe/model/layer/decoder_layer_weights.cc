#include "moe/model/layer/decoder_layer_weights.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "moe/base/check.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/tensor.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/model/layer/checkpoint_weights.h"
#include "moe/model/layer/linear.h"

namespace moe {
namespace {

struct LinearPart {
  TensorKind kind;
  Linear DecoderLayerWeights::*linear;
  bool LlamaConfig::*has_bias;
};

constexpr std::array<LinearPart, 7> kLinearParts = {{
    {TensorKind::kQuery, &DecoderLayerWeights::query,
     &LlamaConfig::attention_bias},
    {TensorKind::kKey, &DecoderLayerWeights::key, &LlamaConfig::attention_bias},
    {TensorKind::kValue, &DecoderLayerWeights::value,
     &LlamaConfig::attention_bias},
    {TensorKind::kOutput, &DecoderLayerWeights::output,
     &LlamaConfig::attention_bias},
    {TensorKind::kMlpGate, &DecoderLayerWeights::gate, &LlamaConfig::mlp_bias},
    {TensorKind::kMlpUp, &DecoderLayerWeights::up, &LlamaConfig::mlp_bias},
    {TensorKind::kMlpDown, &DecoderLayerWeights::down, &LlamaConfig::mlp_bias},
}};

const LlamaConfig& ConfigOf(const Checkpoint& checkpoint, int64_t layer) {
  const LlamaConfig* const config = checkpoint.dense_config();
  MOE_CHECK(config != nullptr && layer >= 0 &&
            layer < config->num_hidden_layers);
  return *config;
}

TensorName WeightName(TensorKind kind, int64_t layer) {
  return {kind, layer, /*expert=*/-1, /*is_bias=*/false};
}

TensorName BiasName(TensorKind kind, int64_t layer) {
  return {kind, layer, /*expert=*/-1, /*is_bias=*/true};
}

// The weight of kLinearParts[part], and its bias.
absl::Status ReadLinear(const Checkpoint& checkpoint, int64_t layer,
                        size_t part, DecoderLayerTensors& tensors) {
  const TensorKind kind = kLinearParts[part].kind;
  if (ConfigOf(checkpoint, layer).*kLinearParts[part].has_bias) {
    MOE_ASSIGN_OR_RETURN(tensors.biases[part],
                         ReadWeight(checkpoint, BiasName(kind, layer)));
  }
  MOE_ASSIGN_OR_RETURN(tensors.weights[part],
                       ReadWeight(checkpoint, WeightName(kind, layer)));
  return absl::OkStatus();
}

absl::Status ReadNorms(const Checkpoint& checkpoint, int64_t layer,
                       DecoderLayerTensors& tensors) {
  MOE_ASSIGN_OR_RETURN(
      tensors.input_norm,
      ReadWeight(checkpoint, WeightName(TensorKind::kInputNorm, layer)));
  MOE_ASSIGN_OR_RETURN(
      tensors.post_attention_norm,
      ReadWeight(checkpoint,
                 WeightName(TensorKind::kPostAttentionNorm, layer)));
  return absl::OkStatus();
}

void PackNorms(const DecoderLayerTensors& tensors,
               DecoderLayerWeights& weights) {
  weights.input_norm = ToFloats(tensors.input_norm);
  weights.post_attention_norm = ToFloats(tensors.post_attention_norm);
}

// Backward, the forward is computed again up to the input of down.
LayerPasses PassesOf(TensorKind kind, LayerPasses passes) {
  return passes == LayerPasses::kBackward && kind != TensorKind::kMlpDown
             ? LayerPasses::kForwardAndBackward
             : passes;
}

// Frees the tensors.
void PackPart(DecoderLayerTensors& tensors, size_t part, LayerPasses passes,
              ThreadPool& pool, DecoderLayerWeights& weights) {
  const HostTensor weight = std::exchange(tensors.weights[part], {});
  weights.*kLinearParts[part].linear =
      PackLinear(ViewWeight(weight), ToFloats(tensors.biases[part]),
                 PassesOf(kLinearParts[part].kind, passes), pool);
}

template <typename Add>
void ForEachStoredTensor(const Checkpoint& checkpoint, int64_t layer,
                         const Add& add) {
  const LlamaConfig& config = ConfigOf(checkpoint, layer);
  const auto visit = [&](const TensorName& name) {
    add(NumBytes(LocateWeight(checkpoint, name).tensor->spec));
  };
  visit(WeightName(TensorKind::kInputNorm, layer));
  visit(WeightName(TensorKind::kPostAttentionNorm, layer));
  for (const LinearPart& part : kLinearParts) {
    visit(WeightName(part.kind, layer));
    if (config.*part.has_bias) visit(BiasName(part.kind, layer));
  }
}

}  // namespace

int64_t DecoderLayerWeights::size_bytes() const {
  int64_t bytes = static_cast<int64_t>(
      (input_norm.size() + post_attention_norm.size()) * sizeof(float));
  for (const LinearPart& part : kLinearParts) {
    bytes += (this->*part.linear).size_bytes();
  }
  return bytes;
}

absl::StatusOr<DecoderLayerTensors> ReadDecoderLayerTensors(
    const Checkpoint& checkpoint, int64_t layer) {
  DecoderLayerTensors tensors;
  MOE_RETURN_IF_ERROR(ReadNorms(checkpoint, layer, tensors));
  for (size_t part = 0; part < kLinearParts.size(); ++part) {
    MOE_RETURN_IF_ERROR(ReadLinear(checkpoint, layer, part, tensors));
  }
  return tensors;
}

DecoderLayerWeights PackDecoderLayer(DecoderLayerTensors tensors,
                                     LayerPasses passes, ThreadPool& pool) {
  DecoderLayerWeights weights;
  PackNorms(tensors, weights);
  for (size_t part = 0; part < kLinearParts.size(); ++part) {
    PackPart(tensors, part, passes, pool, weights);
  }
  return weights;
}

absl::StatusOr<DecoderLayerWeights> ReadDecoderLayerWeights(
    const Checkpoint& checkpoint, int64_t layer, LayerPasses passes,
    ThreadPool& pool) {
  DecoderLayerTensors tensors;
  DecoderLayerWeights weights;
  MOE_RETURN_IF_ERROR(ReadNorms(checkpoint, layer, tensors));
  PackNorms(tensors, weights);
  for (size_t part = 0; part < kLinearParts.size(); ++part) {
    MOE_RETURN_IF_ERROR(ReadLinear(checkpoint, layer, part, tensors));
    PackPart(tensors, part, passes, pool, weights);
  }
  return weights;
}

int64_t PackedLayerBytes(const LlamaConfig& config, LayerPasses passes) {
  const int64_t h = config.hidden_size, i = config.intermediate_size;
  const int64_t q = config.QuerySize(), k = config.KeyValueSize();
  const auto bytes = [&](int64_t out, int64_t in) {
    return PackedLinearBytes(out, in, PassesOf(TensorKind::kQuery, passes));
  };
  int64_t floats = 2 * h;
  if (config.attention_bias) floats += q + 2 * k + h;
  if (config.mlp_bias) floats += 2 * i + h;
  return bytes(q, h) + 2 * bytes(k, h) + bytes(h, q) + 2 * bytes(i, h) +
         PackedLinearBytes(h, i, passes) +
         floats * static_cast<int64_t>(sizeof(float));
}

int64_t StoredLayerBytes(const Checkpoint& checkpoint, int64_t layer) {
  int64_t sum = 0;
  ForEachStoredTensor(checkpoint, layer, [&](int64_t bytes) { sum += bytes; });
  return sum;
}

int64_t LargestLayerTensorBytes(const Checkpoint& checkpoint, int64_t layer) {
  int64_t largest = 0;
  ForEachStoredTensor(checkpoint, layer, [&](int64_t bytes) {
    largest = std::max(largest, bytes);
  });
  return largest;
}

}  // namespace moe
