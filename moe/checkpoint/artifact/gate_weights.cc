#include "moe/checkpoint/artifact/gate_weights.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/matrix.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/artifact/artifact_tensors.h"
#include "moe/checkpoint/artifact/pt_value.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/tensor.h"

namespace moe::checkpoint {
namespace {

absl::StatusOr<base::Matrix<float>> TakeGate(TensorTaker& taker,
                                             int64_t layer) {
  return taker.Take(LayerTensorName(layer), ReadMatrix<float>);
}

absl::StatusOr<base::Matrix<float>> GateAt(const PtCursor& at) {
  MOE_ASSIGN_OR_RETURN(const HostTensor* tensor, at.Tensor());
  return ReadMatrix<float>(*tensor, at.path());
}

}  // namespace

HostTensors GateWeights::ToTensors() const {
  HostTensors tensors;
  for (size_t i = 0; i < layers.size(); ++i) {
    tensors[LayerTensorName(static_cast<int64_t>(i))] = ToTensor(layers[i]);
  }
  return tensors;
}

absl::StatusOr<GateWeights> GateWeights::FromTensors(
    const HostTensors& tensors) {
  GateWeights gates;
  MOE_ASSIGN_OR_RETURN(gates.layers,
                       TakeLayers<base::Matrix<float>>(tensors, TakeGate));
  return gates;
}

PtValue GateWeights::ToPt() const {
  PtDict dict;
  for (size_t i = 0; i < layers.size(); ++i) {
    dict.Add(static_cast<int64_t>(i), {ToTensor(layers[i])});
  }
  return {std::move(dict)};
}

absl::StatusOr<GateWeights> GateWeights::FromPt(const PtValue& value) {
  GateWeights gates;
  MOE_ASSIGN_OR_RETURN(gates.layers,
                       LayersAt<base::Matrix<float>>(value, GateAt));
  return gates;
}

absl::Status ValidateGateWeights(const GateWeights& gates,
                                 const GateWeightsShape& want,
                                 absl::string_view where) {
  return CheckLayers<base::Matrix<float>>(
      gates.layers, want.num_layers, where,
      [&](const base::Matrix<float>& layer, int64_t i) {
        const std::string name = LayerTensorName(i);
        MOE_RETURN_IF_ERROR(
            CheckEqual(layer.rows(), want.num_experts, name, "num_experts"));
        MOE_RETURN_IF_ERROR(
            CheckEqual(layer.cols(), want.hidden_size, name, "hidden_size"));
        return CheckFinite(layer.values(), name, layer.cols());
      });
}

}  // namespace moe::checkpoint
