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

namespace moe {
namespace {

absl::Status ValidateLayer(const Matrix<float>& layer,
                           const GateWeightsShape& want,
                           absl::string_view name) {
  MOE_RETURN_IF_ERROR(
      CheckEqual(layer.rows(), want.num_experts,
                 absl::StrCat(name, ": the number of experts")));
  MOE_RETURN_IF_ERROR(CheckEqual(layer.cols(), want.hidden_size,
                                 absl::StrCat(name, ": the hidden size")));
  return CheckFinite(layer.values(), name, layer.cols());
}

}  // namespace

HostTensors GateWeights::ToTensors() const {
  HostTensors tensors;
  for (size_t i = 0; i < layers.size(); ++i) {
    tensors[LayerTensorName(static_cast<int64_t>(i))] =
        FloatTensor(layers[i].values(), {layers[i].rows(), layers[i].cols()});
  }
  return tensors;
}

absl::StatusOr<GateWeights> GateWeights::FromTensors(
    const HostTensors& tensors) {
  TensorTaker taker(tensors);
  GateWeights gates;
  MOE_ASSIGN_OR_RETURN(const int64_t num_layers, taker.NumLayers());
  for (int64_t i = 0; i < num_layers; ++i) {
    const std::string name = LayerTensorName(i);
    MOE_ASSIGN_OR_RETURN(const HostTensor* tensor, taker.Take(name));
    MOE_ASSIGN_OR_RETURN(Matrix<float> layer, FloatMatrix(*tensor, name));
    gates.layers.push_back(std::move(layer));
  }
  MOE_RETURN_IF_ERROR(taker.Finish());
  return gates;
}

PtValue GateWeights::ToPt() const {
  PtDict dict;
  for (size_t i = 0; i < layers.size(); ++i) {
    dict.Add(static_cast<int64_t>(i),
             {FloatTensor(layers[i].values(),
                          {layers[i].rows(), layers[i].cols()})});
  }
  return {std::move(dict)};
}

absl::StatusOr<GateWeights> GateWeights::FromPt(const PtValue& value) {
  MOE_ASSIGN_OR_RETURN(const std::vector<PtCursor> cursors,
                       PtCursor(value).Numbered("layers"));
  GateWeights gates;
  for (const PtCursor& cursor : cursors) {
    MOE_ASSIGN_OR_RETURN(Matrix<float> layer, FloatMatrixAt(cursor));
    gates.layers.push_back(std::move(layer));
  }
  return gates;
}

absl::Status ValidateGateWeights(const GateWeights& gates,
                                 const GateWeightsShape& want,
                                 absl::string_view where) {
  MOE_RETURN_IF_ERROR(
      Annotate(CheckEqual(static_cast<int64_t>(gates.layers.size()),
                          want.num_layers, "the number of layers"),
               where));
  for (int64_t i = 0; i < want.num_layers; ++i) {
    MOE_RETURN_IF_ERROR(
        Annotate(ValidateLayer(gates.layers[static_cast<size_t>(i)], want,
                               LayerTensorName(i)),
                 where));
  }
  return absl::OkStatus();
}

}  // namespace moe
