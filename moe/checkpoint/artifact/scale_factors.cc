#include "moe/checkpoint/artifact/scale_factors.h"

#include <array>
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

namespace moe::checkpoint {
namespace {

constexpr absl::string_view kMagnitude = "scale_magnitude";
constexpr absl::string_view kBias = "scale_bias";

std::string FieldName(int64_t layer, absl::string_view part,
                      absl::string_view field) {
  return LayerTensorName(layer, absl::StrCat(part, ".", field));
}

// The fields of a factor, with their names.
template <typename Factor>
auto Fields(Factor& factor) {
  return std::array{std::pair(kMagnitude, &factor.scale_magnitude),
                    std::pair(kBias, &factor.scale_bias)};
}

absl::StatusOr<LayerParts<ScaleFactor>> TakeFactors(TensorTaker& taker,
                                                    int64_t index) {
  LayerParts<ScaleFactor> layer;
  for (const auto& [part, factor] : layer.Named()) {
    if (!taker.Has(FieldName(index, part, kMagnitude)) &&
        !taker.Has(FieldName(index, part, kBias))) {
      continue;
    }
    for (const auto& [field, values] : Fields(factor->emplace())) {
      MOE_ASSIGN_OR_RETURN(*values, taker.Take(FieldName(index, part, field),
                                               ReadVector<float>));
    }
  }
  return layer;
}

absl::StatusOr<ScaleFactor> FactorAt(const PtCursor& at) {
  MOE_RETURN_IF_ERROR(
      at.OnlyKeys({std::string(kMagnitude), std::string(kBias)}));
  ScaleFactor factor;
  for (const auto& [field, values] : Fields(factor)) {
    MOE_ASSIGN_OR_RETURN(*values, VectorAt<float>(at.At(std::string(field))));
  }
  return factor;
}

absl::StatusOr<LayerParts<ScaleFactor>> FactorsAt(const PtCursor& at) {
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

absl::Status ValidateLayer(const LayerParts<ScaleFactor>& layer, int64_t index,
                           int64_t hidden_size) {
  for (const auto& [part, factor] : layer.Named()) {
    if (!factor->has_value()) continue;
    for (const auto& [field, values] : Fields(**factor)) {
      const std::string name = FieldName(index, part, field);
      MOE_RETURN_IF_ERROR(CheckEqual(static_cast<int64_t>(values->size()),
                                     hidden_size, name, "hidden_size"));
      MOE_RETURN_IF_ERROR(CheckFinite(*values, name));
    }
  }
  return absl::OkStatus();
}

}  // namespace

HostTensors ScaleFactors::ToTensors() const {
  HostTensors tensors;
  for (const auto& [index, layer] : layers) {
    for (const auto& [part, factor] : layer.Named()) {
      if (!factor->has_value()) continue;
      for (const auto& [field, values] : Fields(**factor)) {
        tensors[FieldName(index, part, field)] = ToTensor(*values);
      }
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
                         TakeFactors(taker, index));
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
      for (const auto& [field, values] : Fields(**factor)) {
        fields.Add(std::string(field), {ToTensor(*values)});
      }
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
      return root.Error(absl::StrCat("expected layer numbers as keys, found ",
                                     FormatPtKey(entry.key)));
    }
    MOE_ASSIGN_OR_RETURN(const PtCursor at, root.At(entry.key));
    MOE_ASSIGN_OR_RETURN(LayerParts<ScaleFactor> layer, FactorsAt(at));
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
          where, ": expected only layers of the checkpoint, which has ",
          want.num_layers, ", found the layer ", index,
          "; use the factors of this checkpoint"));
    }
    MOE_RETURN_IF_ERROR(
        base::Annotate(ValidateLayer(layer, index, want.hidden_size), where));
  }
  return absl::OkStatus();
}

}  // namespace moe::checkpoint
