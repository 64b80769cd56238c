#include "moe/checkpoint/artifact/neuron_indices.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/matrix.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/artifact/artifact_tensors.h"
#include "moe/checkpoint/artifact/pt_value.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/tensor.h"

namespace moe::checkpoint {
namespace {

constexpr absl::string_view kExperts = "experts";
constexpr absl::string_view kResidual = "residual";

PtKey ResidualKey() { return std::string(kResidual); }

absl::StatusOr<LayerNeuronIndices> TakeIndices(TensorTaker& taker,
                                               int64_t index) {
  LayerNeuronIndices layer;
  MOE_ASSIGN_OR_RETURN(
      layer.experts,
      taker.Take(LayerTensorName(index, kExperts), ReadMatrix<int64_t>));
  const std::string residual_name = LayerTensorName(index, kResidual);
  if (taker.Has(residual_name)) {
    MOE_ASSIGN_OR_RETURN(layer.residual,
                         taker.Take(residual_name, ReadVector<int64_t>));
  }
  return layer;
}

// A matrix of the experts' neurons.
absl::StatusOr<base::Matrix<int64_t>> ExpertsAt(
    const std::vector<PtCursor>& experts) {
  base::Matrix<int64_t> neurons;
  for (size_t e = 0; e < experts.size(); ++e) {
    MOE_ASSIGN_OR_RETURN(const PtInts ints, experts[e].Ints());
    const int64_t size = static_cast<int64_t>(ints.size());
    if (e == 0) {
      neurons =
          base::Matrix<int64_t>(static_cast<int64_t>(experts.size()), size);
    }
    if (size != neurons.cols()) {
      return experts[e].Error(absl::StrCat(
          "expected ", neurons.cols(), " neurons, as before, found ", size));
    }
    std::copy(ints.begin(), ints.end(),
              neurons.Row(static_cast<int64_t>(e)).begin());
  }
  return neurons;
}

absl::StatusOr<LayerNeuronIndices> ResidualIndicesAt(const PtCursor& at) {
  LayerNeuronIndices layer;
  MOE_ASSIGN_OR_RETURN(const PtCursor residual, at.At(ResidualKey()));
  MOE_ASSIGN_OR_RETURN(layer.residual, residual.Ints());
  MOE_ASSIGN_OR_RETURN(const PtDict* dict, at.Dict());
  const int64_t num_experts = static_cast<int64_t>(dict->entries.size()) - 1;
  std::vector<PtKey> known = {ResidualKey()};
  for (int64_t e = 0; e < num_experts; ++e) known.emplace_back(e);
  MOE_RETURN_IF_ERROR(at.OnlyKeys(known));
  std::vector<PtCursor> experts;
  for (int64_t e = 0; e < num_experts; ++e) {
    MOE_ASSIGN_OR_RETURN(PtCursor expert, at.At(e));
    experts.push_back(std::move(expert));
  }
  MOE_ASSIGN_OR_RETURN(layer.experts, ExpertsAt(experts));
  return layer;
}

absl::StatusOr<LayerNeuronIndices> IndicesAt(const PtCursor& at) {
  if (at.Dict().ok()) return ResidualIndicesAt(at);
  LayerNeuronIndices layer;
  MOE_ASSIGN_OR_RETURN(const std::vector<PtCursor> experts, at.Items());
  MOE_ASSIGN_OR_RETURN(layer.experts, ExpertsAt(experts));
  return layer;
}

absl::Status CheckOneKind(const std::vector<LayerNeuronIndices>& layers) {
  for (size_t i = 1; i < layers.size(); ++i) {
    if (layers[i].residual.has_value() == layers[0].residual.has_value()) {
      continue;
    }
    return absl::InvalidArgumentError(absl::StrCat(
        "layer ", i, ": expected ", layers[0].residual.has_value() ? "a" : "no",
        " residual expert, as in layer 0, found ",
        layers[i].residual.has_value() ? "one" : "none"));
  }
  return absl::OkStatus();
}

// Which expert took each neuron of one layer.
class Owners {
 public:
  explicit Owners(int64_t intermediate_size)
      : owner_(static_cast<size_t>(intermediate_size), kNobody) {}

  // Gives the neurons to `owner`. InvalidArgument for a neuron that has an
  // owner, unless that is another expert and `shared` is set.
  absl::Status Take(absl::Span<const int64_t> neurons, int64_t owner,
                    bool shared, absl::string_view name);

  static constexpr int64_t kNobody = -2;
  static constexpr int64_t kResidualExpert = -1;

 private:
  static std::string Name(int64_t owner) {
    return owner == kResidualExpert ? "the residual expert"
                                    : absl::StrCat("expert ", owner);
  }

  std::vector<int64_t> owner_;
};

absl::Status Owners::Take(absl::Span<const int64_t> neurons, int64_t owner,
                          bool shared, absl::string_view name) {
  for (size_t i = 0; i < neurons.size(); ++i) {
    const int64_t neuron = neurons[i];
    const std::string place = absl::StrCat(
        name, "[", owner < 0 ? "" : absl::StrCat(owner, ", "), i, "]");
    if (neuron < 0 || neuron >= static_cast<int64_t>(owner_.size())) {
      return absl::InvalidArgumentError(absl::StrCat(
          place, ": expected a neuron from 0 to ",
          static_cast<int64_t>(owner_.size()) - 1, ", found ", neuron));
    }
    int64_t& taken_by = owner_[static_cast<size_t>(neuron)];
    const bool allowed =
        taken_by == kNobody || (shared && taken_by >= 0 && taken_by != owner);
    if (!allowed) {
      return absl::InvalidArgumentError(
          absl::StrCat(place, ": expected a neuron that is free, found ",
                       neuron, ", which ", Name(taken_by), " has"));
    }
    taken_by = owner;
  }
  return absl::OkStatus();
}

absl::Status ValidateSizes(const LayerNeuronIndices& layer,
                           const LayerNeuronIndices& first,
                           const NeuronIndicesShape& want, int64_t index) {
  const std::string name = LayerTensorName(index, kExperts);
  const std::string residual_name = LayerTensorName(index, kResidual);
  if (layer.residual.has_value() != want.residual) {
    return absl::InvalidArgumentError(absl::StrCat(
        residual_name, ": expected ", want.residual ? "a tensor" : "no tensor",
        ", found ", want.residual ? "none" : "one", "; make the split with ",
        want.residual ? "split_gradient_residual" : "split_gradient"));
  }
  MOE_RETURN_IF_ERROR(
      CheckEqual(layer.experts.rows(), want.num_experts, name, "num_experts"));
  MOE_RETURN_IF_ERROR(CheckEqual(layer.experts.cols(), first.experts.cols(),
                                 name, "expert_size, as in layer 0,"));
  if (layer.experts.cols() == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ": expected experts with neurons, found none"));
  }
  if (!want.residual) return absl::OkStatus();
  return CheckEqual(static_cast<int64_t>(layer.residual->size()),
                    static_cast<int64_t>(first.residual->size()), residual_name,
                    "residual_size, as in layer 0,");
}

absl::Status ValidateLayer(const LayerNeuronIndices& layer,
                           const NeuronIndicesShape& want, int64_t index) {
  Owners owners(want.intermediate_size);
  if (layer.residual.has_value()) {
    MOE_RETURN_IF_ERROR(owners.Take(*layer.residual, Owners::kResidualExpert,
                                    want.shared,
                                    LayerTensorName(index, kResidual)));
  }
  const std::string name = LayerTensorName(index, kExperts);
  for (int64_t e = 0; e < layer.experts.rows(); ++e) {
    MOE_RETURN_IF_ERROR(
        owners.Take(layer.experts.Row(e), e, want.shared, name));
  }
  return absl::OkStatus();
}

}  // namespace

HostTensors NeuronIndices::ToTensors() const {
  HostTensors tensors;
  for (size_t i = 0; i < layers.size(); ++i) {
    const LayerNeuronIndices& layer = layers[i];
    const int64_t index = static_cast<int64_t>(i);
    tensors[LayerTensorName(index, kExperts)] = ToTensor(layer.experts);
    if (!layer.residual.has_value()) continue;
    tensors[LayerTensorName(index, kResidual)] = ToTensor(*layer.residual);
  }
  return tensors;
}

absl::StatusOr<NeuronIndices> NeuronIndices::FromTensors(
    const HostTensors& tensors) {
  NeuronIndices indices;
  MOE_ASSIGN_OR_RETURN(indices.layers,
                       TakeLayers<LayerNeuronIndices>(tensors, TakeIndices));
  MOE_RETURN_IF_ERROR(CheckOneKind(indices.layers));
  return indices;
}

PtValue NeuronIndices::ToPt() const {
  PtDict dict;
  for (size_t i = 0; i < layers.size(); ++i) {
    const LayerNeuronIndices& layer = layers[i];
    PtList list;
    PtDict by_key;
    if (layer.residual.has_value()) {
      by_key.Add(ResidualKey(), {*layer.residual});
    }
    for (int64_t e = 0; e < layer.experts.rows(); ++e) {
      const auto row = layer.experts.Row(e);
      PtValue ints = {PtInts(row.begin(), row.end())};
      if (layer.residual.has_value()) {
        by_key.Add(e, std::move(ints));
      } else {
        list.push_back(std::move(ints));
      }
    }
    dict.Add(static_cast<int64_t>(i), layer.residual.has_value()
                                          ? PtValue{std::move(by_key)}
                                          : PtValue{std::move(list)});
  }
  return {std::move(dict)};
}

absl::StatusOr<NeuronIndices> NeuronIndices::FromPt(const PtValue& value) {
  NeuronIndices indices;
  MOE_ASSIGN_OR_RETURN(indices.layers,
                       LayersAt<LayerNeuronIndices>(value, IndicesAt));
  MOE_RETURN_IF_ERROR(CheckOneKind(indices.layers));
  return indices;
}

absl::Status ValidateNeuronIndices(const NeuronIndices& indices,
                                   const NeuronIndicesShape& want,
                                   absl::string_view where) {
  return CheckLayers<LayerNeuronIndices>(
      indices.layers, want.num_layers, where,
      [&](const LayerNeuronIndices& layer, int64_t i) {
        MOE_RETURN_IF_ERROR(
            ValidateSizes(layer, indices.layers.front(), want, i));
        return ValidateLayer(layer, want, i);
      });
}

}  // namespace moe::checkpoint
