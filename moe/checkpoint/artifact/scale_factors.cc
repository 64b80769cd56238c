#include "moe/checkpoint/artifact/scale_factors.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/artifact/artifact_tensors.h"
#include "moe/checkpoint/artifact/layer_parts.h"
#include "moe/checkpoint/artifact/pt_value.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/tensor.h"

namespace moe {
namespace {

constexpr absl::string_view kMagnitude = "scale_magnitude";
constexpr absl::string_view kBias = "scale_bias";

std::string FieldName(int64_t layer, absl::string_view part,
                      absl::string_view field) {
  return LayerTensorName(layer, absl::StrCat(part, ".", field));
}

absl::StatusOr<std::vector<float>> TakeField(TensorTaker& taker, int64_t layer,
                                             absl::string_view part,
                                             absl::string_view field) {
  const std::string name = FieldName(layer, part, field);
  MOE_ASSIGN_OR_RETURN(const HostTensor* tensor, taker.Take(name));
  return FloatVector(*tensor, name);
}

absl::StatusOr<LayerParts<ScaleFactor>> TakeLayer(TensorTaker& taker,
                                                  int64_t index) {
  LayerParts<ScaleFactor> layer;
  for (const auto& [part, factor] : layer.Named()) {
    if (!taker.Has(FieldName(index, part, kMagnitude)) &&
        !taker.Has(FieldName(index, part, kBias))) {
      continue;
    }
    factor->emplace();
    MOE_ASSIGN_OR_RETURN((*factor)->scale_magnitude,
                         TakeField(taker, index, part, kMagnitude));
    MOE_ASSIGN_OR_RETURN((*factor)->scale_bias,
                         TakeField(taker, index, part, kBias));
  }
  return layer;
}

absl::StatusOr<ScaleFactor> FactorAt(const PtCursor& at) {
  const PtKey magnitude_key = std::string(kMagnitude);
  const PtKey bias_key = std::string(kBias);
  MOE_RETURN_IF_ERROR(at.OnlyKeys({magnitude_key, bias_key}));
  ScaleFactor factor;
  MOE_ASSIGN_OR_RETURN(const PtCursor magnitude, at.At(magnitude_key));
  MOE_ASSIGN_OR_RETURN(factor.scale_magnitude, FloatVectorAt(magnitude));
  MOE_ASSIGN_OR_RETURN(const PtCursor bias, at.At(bias_key));
  MOE_ASSIGN_OR_RETURN(factor.scale_bias, FloatVectorAt(bias));
  return factor;
}

absl::StatusOr<LayerParts<ScaleFactor>> LayerAt(const PtCursor& at) {
  MOE_RETURN_IF_ERROR(at.OnlyKeys({"attn", "mlp"}));
  LayerParts<ScaleFactor> layer;
  for (const auto& [part, factor] : layer.Named()) {
    const PtKey key = std::string(part);
    if (!at.Has(key)) continue;
    MOE_ASSIGN_OR_RETURN(const PtCursor factor_at, at.At(key));
    MOE_ASSIGN_OR_RETURN(*factor, FactorAt(factor_at));
  }
  return layer;
}

HostTensor Vector(const std::vector<float>& values) {
  return FloatTensor(values, {static_cast<int64_t>(values.size())});
}

absl::Status ValidateField(const std::vector<float>& values,
                           int64_t hidden_size, absl::string_view name) {
  MOE_RETURN_IF_ERROR(CheckEqual(static_cast<int64_t>(values.size()),
                                 hidden_size,
                                 absl::StrCat(name, ": the hidden size")));
  return CheckFinite(values, name);
}

absl::Status ValidateLayer(const LayerParts<ScaleFactor>& layer, int64_t index,
                           int64_t hidden_size) {
  for (const auto& [part, factor] : layer.Named()) {
    if (!factor->has_value()) continue;
    MOE_RETURN_IF_ERROR(ValidateField((*factor)->scale_magnitude, hidden_size,
                                      FieldName(index, part, kMagnitude)));
    MOE_RETURN_IF_ERROR(ValidateField((*factor)->scale_bias, hidden_size,
                                      FieldName(index, part, kBias)));
  }
  return absl::OkStatus();
}

}  // namespace

HostTensors ScaleFactors::ToTensors() const {
  HostTensors tensors;
  for (const auto& [index, layer] : layers) {
    for (const auto& [part, factor] : layer.Named()) {
      if (!factor->has_value()) continue;
      tensors[FieldName(index, part, kMagnitude)] =
          Vector((*factor)->scale_magnitude);
      tensors[FieldName(index, part, kBias)] = Vector((*factor)->scale_bias);
    }
  }
  return tensors;
}

absl::StatusOr<ScaleFactors> ScaleFactors::FromTensors(
    const HostTensors& tensors) {
  TensorTaker taker(tensors);
  ScaleFactors factors;
  for (const int64_t index : taker.Layers()) {
    MOE_ASSIGN_OR_RETURN(LayerParts<ScaleFactor> layer,
                         TakeLayer(taker, index));
    if (!layer.empty()) factors.layers.emplace(index, std::move(layer));
  }
  MOE_RETURN_IF_ERROR(taker.Finish());
  return factors;
}

PtValue ScaleFactors::ToPt() const {
  PtDict dict;
  for (const auto& [index, layer] : layers) {
    PtDict parts;
    for (const auto& [part, factor] : layer.Named()) {
      if (!factor->has_value()) continue;
      PtDict fields;
      fields.Add(std::string(kMagnitude), {Vector((*factor)->scale_magnitude)});
      fields.Add(std::string(kBias), {Vector((*factor)->scale_bias)});
      parts.Add(std::string(part), {std::move(fields)});
    }
    dict.Add(index, {std::move(parts)});
  }
  return {std::move(dict)};
}

absl::StatusOr<ScaleFactors> ScaleFactors::FromPt(const PtValue& value) {
  const PtCursor root(value);
  MOE_ASSIGN_OR_RETURN(const PtDict* dict, root.Dict());
  ScaleFactors factors;
  for (const PtEntry& entry : dict->entries) {
    const int64_t* index = std::get_if<int64_t>(&entry.key);
    if (index == nullptr || *index < 0) {
      return root.Error(absl::StrCat("has the key ", FormatPtKey(entry.key),
                                     "; the keys must be layer numbers"));
    }
    MOE_ASSIGN_OR_RETURN(const PtCursor at, root.At(entry.key));
    MOE_ASSIGN_OR_RETURN(LayerParts<ScaleFactor> layer, LayerAt(at));
    if (!layer.empty()) factors.layers.emplace(*index, std::move(layer));
  }
  return factors;
}

absl::Status ValidateScaleFactors(const ScaleFactors& factors,
                                  const ScaleFactorsShape& want,
                                  absl::string_view where) {
  for (const auto& [index, layer] : factors.layers) {
    if (index < 0 || index >= want.num_layers) {
      return absl::InvalidArgumentError(absl::StrCat(
          where, ": has the layer ", index, ", and the checkpoint has ",
          want.num_layers, " layers; use the factors of this checkpoint"));
    }
    MOE_RETURN_IF_ERROR(
        Annotate(ValidateLayer(layer, index, want.hidden_size), where));
  }
  return absl::OkStatus();
}

}  // namespace moe
