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
#include "moe/checkpoint/moe_config.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/model/layer/checkpoint_weights.h"
#include "moe/model/layer/linear.h"

namespace moe::model {
namespace {

constexpr std::array<checkpoint::TensorKind, 2> kNorms = {
    checkpoint::TensorKind::kInputNorm,
    checkpoint::TensorKind::kPostAttentionNorm};
constexpr std::array<checkpoint::TensorKind, 4> kAttention = {
    checkpoint::TensorKind::kQuery, checkpoint::TensorKind::kKey,
    checkpoint::TensorKind::kValue, checkpoint::TensorKind::kOutput};
// Gate, up and down.
using MlpKinds = std::array<checkpoint::TensorKind, 3>;
constexpr MlpKinds kDenseMlp = {checkpoint::TensorKind::kMlpGate,
                                checkpoint::TensorKind::kMlpUp,
                                checkpoint::TensorKind::kMlpDown};
constexpr MlpKinds kContractMlp = {checkpoint::TensorKind::kContractGate,
                                   checkpoint::TensorKind::kContractUp,
                                   checkpoint::TensorKind::kContractDown};
constexpr MlpKinds kExpertMlp = {checkpoint::TensorKind::kExpertGate,
                                 checkpoint::TensorKind::kExpertUp,
                                 checkpoint::TensorKind::kExpertDown};
constexpr MlpKinds kResidualMlp = {checkpoint::TensorKind::kResidualGate,
                                   checkpoint::TensorKind::kResidualUp,
                                   checkpoint::TensorKind::kResidualDown};

checkpoint::TensorName WeightName(checkpoint::TensorKind kind, int64_t layer,
                                  int64_t expert = -1) {
  return {kind, layer, expert, /*is_bias=*/false};
}

checkpoint::TensorName BiasOf(checkpoint::TensorName weight) {
  weight.is_bias = true;
  return weight;
}

template <typename Kinds>
void AddNames(const Kinds& kinds, int64_t layer, int64_t expert,
              std::vector<checkpoint::TensorName>& names) {
  for (const checkpoint::TensorKind kind : kinds) {
    names.push_back(WeightName(kind, layer, expert));
  }
}

template <typename Kinds>
void AddExpertNames(checkpoint::TensorKind router, const Kinds& kinds,
                    int64_t num_experts, int64_t layer,
                    std::vector<checkpoint::TensorName>& names) {
  names.push_back(WeightName(router, layer));
  for (int64_t e = 0; e < num_experts; ++e) AddNames(kinds, layer, e, names);
}

// The weights of a layer's linear layers, in the order in which they are read.
std::vector<checkpoint::TensorName> LinearNames(
    const checkpoint::Checkpoint& checkpoint, int64_t layer) {
  MOE_CHECK(
      layer >= 0 &&
      layer < checkpoint::DecoderConfig(checkpoint.config()).num_hidden_layers);
  const checkpoint::MoeConfig* const moe = checkpoint.moe_config();
  const bool has_experts = moe != nullptr && !moe->IsContractLayer(layer);
  std::vector<checkpoint::TensorName> names;
  if (has_experts && moe->use_attn_moe) {
    AddExpertNames(checkpoint::TensorKind::kAttentionRouter, kAttention,
                   moe->attn_experts, layer, names);
  } else {
    AddNames(kAttention, layer, /*expert=*/-1, names);
  }
  if (!has_experts || moe->num_local_experts == 0) {
    AddNames(moe == nullptr ? kDenseMlp : kContractMlp, layer, /*expert=*/-1,
             names);
    return names;
  }
  AddExpertNames(checkpoint::TensorKind::kRouter, kExpertMlp,
                 moe->num_local_experts, layer, names);
  if (moe->intermediate_size_residual.has_value()) {
    AddNames(kResidualMlp, layer, /*expert=*/-1, names);
  }
  return names;
}

// The weights of the expert of `name`, or those for every token.
template <typename Weights>
Weights& WeightsOf(const checkpoint::TensorName& name, Weights& every_tokens,
                   ExpertWeights<Weights>& experts) {
  if (name.expert < 0) return every_tokens;
  const auto expert = static_cast<size_t>(name.expert);
  if (experts.experts.size() <= expert) experts.experts.resize(expert + 1);
  return experts.experts[expert];
}

// Where a weight belongs.
Linear& LinearOf(DecoderLayerWeights& weights,
                 const checkpoint::TensorName& name) {
  const auto attention = [&]() -> AttentionWeights& {
    return WeightsOf(name, weights.attention, weights.attention_experts);
  };
  const auto mlp = [&]() -> MlpWeights& {
    return WeightsOf(name, weights.mlp, weights.mlp_experts);
  };
  switch (name.kind) {
    case checkpoint::TensorKind::kAttentionRouter:
      return weights.attention_experts.router;
    case checkpoint::TensorKind::kQuery:
      return attention().query;
    case checkpoint::TensorKind::kKey:
      return attention().key;
    case checkpoint::TensorKind::kValue:
      return attention().value;
    case checkpoint::TensorKind::kOutput:
      return attention().output;
    case checkpoint::TensorKind::kRouter:
      return weights.mlp_experts.router;
    case checkpoint::TensorKind::kMlpGate:
    case checkpoint::TensorKind::kContractGate:
    case checkpoint::TensorKind::kExpertGate:
    case checkpoint::TensorKind::kResidualGate:
      return mlp().gate;
    case checkpoint::TensorKind::kMlpUp:
    case checkpoint::TensorKind::kContractUp:
    case checkpoint::TensorKind::kExpertUp:
    case checkpoint::TensorKind::kResidualUp:
      return mlp().up;
    case checkpoint::TensorKind::kMlpDown:
    case checkpoint::TensorKind::kContractDown:
    case checkpoint::TensorKind::kExpertDown:
    case checkpoint::TensorKind::kResidualDown:
      return mlp().down;
    default:
      MOE_CHECK(false);
      return weights.mlp.down;
  }
}

// An open checkpoint has exactly the biases of its configuration.
bool HasTensor(const checkpoint::Checkpoint& checkpoint,
               const checkpoint::TensorName& name) {
  return checkpoint.tensors().Find(checkpoint::FormatTensorName(name)).tensor !=
         nullptr;
}

absl::StatusOr<LinearTensors> ReadLinear(
    const checkpoint::Checkpoint& checkpoint,
    const checkpoint::TensorName& name) {
  LinearTensors tensors;
  tensors.name = name;
  if (HasTensor(checkpoint, BiasOf(name))) {
    MOE_ASSIGN_OR_RETURN(tensors.bias, ReadWeight(checkpoint, BiasOf(name)));
  }
  MOE_ASSIGN_OR_RETURN(tensors.weight, ReadWeight(checkpoint, name));
  return tensors;
}

absl::Status ReadNorms(const checkpoint::Checkpoint& checkpoint, int64_t layer,
                       DecoderLayerTensors& tensors) {
  MOE_ASSIGN_OR_RETURN(
      tensors.input_norm,
      ReadWeight(checkpoint,
                 WeightName(checkpoint::TensorKind::kInputNorm, layer)));
  MOE_ASSIGN_OR_RETURN(
      tensors.post_attention_norm,
      ReadWeight(
          checkpoint,
          WeightName(checkpoint::TensorKind::kPostAttentionNorm, layer)));
  return absl::OkStatus();
}

void PackNorms(const DecoderLayerTensors& tensors,
               DecoderLayerWeights& weights) {
  weights.input_norm = ToFloats(tensors.input_norm);
  weights.post_attention_norm = ToFloats(tensors.post_attention_norm);
}

// The backward computes the forward again up to the input of down.
LayerPasses PassesOf(checkpoint::TensorKind kind, LayerPasses passes) {
  return passes == LayerPasses::kBackward &&
                 kind != checkpoint::TensorKind::kMlpDown
             ? LayerPasses::kForwardAndBackward
             : passes;
}

void PackPart(const LinearTensors& tensors, LayerPasses passes,
              base::ThreadPool& pool, DecoderLayerWeights& weights) {
  LinearOf(weights, tensors.name) =
      PackLinear(ViewWeight(tensors.weight), ToFloats(tensors.bias),
                 PassesOf(tensors.name.kind, passes), pool);
}

template <typename Add>
void ForEachStoredTensor(const checkpoint::Checkpoint& checkpoint,
                         int64_t layer, const Add& add) {
  const auto visit = [&](const checkpoint::TensorName& name) {
    add(checkpoint::NumBytes(LocateWeight(checkpoint, name).tensor->spec));
  };
  for (const checkpoint::TensorKind norm : kNorms)
    visit(WeightName(norm, layer));
  for (const checkpoint::TensorName& name : LinearNames(checkpoint, layer)) {
    visit(name);
    if (HasTensor(checkpoint, BiasOf(name))) visit(BiasOf(name));
  }
}

int64_t SizeBytes(const AttentionWeights& weights) {
  return weights.query.size_bytes() + weights.key.size_bytes() +
         weights.value.size_bytes() + weights.output.size_bytes();
}

int64_t SizeBytes(const MlpWeights& weights) {
  return weights.gate.size_bytes() + weights.up.size_bytes() +
         weights.down.size_bytes();
}

template <typename Weights>
int64_t SizeBytes(const ExpertWeights<Weights>& weights) {
  int64_t bytes = weights.router.size_bytes();
  for (const Weights& expert : weights.experts) bytes += SizeBytes(expert);
  return bytes;
}

}  // namespace

int64_t DecoderLayerWeights::size_bytes() const {
  return static_cast<int64_t>((input_norm.size() + post_attention_norm.size()) *
                              sizeof(float)) +
         SizeBytes(attention) + SizeBytes(attention_experts) + SizeBytes(mlp) +
         SizeBytes(mlp_experts);
}

absl::StatusOr<DecoderLayerTensors> ReadDecoderLayerTensors(
    const checkpoint::Checkpoint& checkpoint, int64_t layer) {
  DecoderLayerTensors tensors;
  MOE_RETURN_IF_ERROR(ReadNorms(checkpoint, layer, tensors));
  for (const checkpoint::TensorName& name : LinearNames(checkpoint, layer)) {
    MOE_ASSIGN_OR_RETURN(LinearTensors linear, ReadLinear(checkpoint, name));
    tensors.linears.push_back(std::move(linear));
  }
  return tensors;
}

DecoderLayerWeights PackDecoderLayer(DecoderLayerTensors tensors,
                                     LayerPasses passes,
                                     base::ThreadPool& pool) {
  DecoderLayerWeights weights;
  PackNorms(tensors, weights);
  for (LinearTensors& linear : tensors.linears) {
    PackPart(std::exchange(linear, {}), passes, pool, weights);
  }
  return weights;
}

absl::StatusOr<DecoderLayerWeights> ReadDecoderLayerWeights(
    const checkpoint::Checkpoint& checkpoint, int64_t layer, LayerPasses passes,
    base::ThreadPool& pool) {
  DecoderLayerTensors tensors;
  DecoderLayerWeights weights;
  MOE_RETURN_IF_ERROR(ReadNorms(checkpoint, layer, tensors));
  PackNorms(tensors, weights);
  for (const checkpoint::TensorName& name : LinearNames(checkpoint, layer)) {
    MOE_ASSIGN_OR_RETURN(const LinearTensors linear,
                         ReadLinear(checkpoint, name));
    PackPart(linear, passes, pool, weights);
  }
  return weights;
}

int64_t PackedLayerBytes(const checkpoint::Checkpoint& checkpoint,
                         int64_t layer, LayerPasses passes) {
  constexpr int64_t kFloatBytes = sizeof(float);
  int64_t bytes = 0;
  for (const checkpoint::TensorKind norm : kNorms) {
    const checkpoint::TensorLocation at =
        LocateWeight(checkpoint, WeightName(norm, layer));
    bytes += at.tensor->spec.shape[0] * kFloatBytes;
  }
  for (const checkpoint::TensorName& name : LinearNames(checkpoint, layer)) {
    const checkpoint::Shape& shape =
        LocateWeight(checkpoint, name).tensor->spec.shape;
    bytes += PackedLinearBytes(shape[0], shape[1], PassesOf(name.kind, passes));
    if (HasTensor(checkpoint, BiasOf(name))) bytes += shape[0] * kFloatBytes;
  }
  return bytes;
}

int64_t StoredLayerBytes(const checkpoint::Checkpoint& checkpoint,
                         int64_t layer) {
  int64_t sum = 0;
  ForEachStoredTensor(checkpoint, layer, [&](int64_t bytes) { sum += bytes; });
  return sum;
}

int64_t LargestLayerTensorBytes(const checkpoint::Checkpoint& checkpoint,
                                int64_t layer) {
  int64_t largest = 0;
  ForEachStoredTensor(checkpoint, layer, [&](int64_t bytes) {
    largest = std::max(largest, bytes);
  });
  return largest;
}

}  // namespace moe::model
