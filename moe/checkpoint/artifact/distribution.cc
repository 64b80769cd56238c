#include "moe/checkpoint/artifact/distribution.h"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
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

// "layers.3.attn"
std::string PartName(int64_t layer, absl::string_view part) {
  return LayerTensorName(layer, part);
}

absl::StatusOr<FeatureMoments> TakeMoments(TensorTaker& taker,
                                           absl::string_view part_name) {
  const std::string number_name = absl::StrCat(part_name, ".number");
  const std::string mean_name = absl::StrCat(part_name, ".mean");
  const std::string variance_name = absl::StrCat(part_name, ".variance");
  FeatureMoments moments;
  MOE_ASSIGN_OR_RETURN(const HostTensor* number, taker.Take(number_name));
  MOE_ASSIGN_OR_RETURN(moments.number, Count(*number, number_name));
  MOE_ASSIGN_OR_RETURN(const HostTensor* mean, taker.Take(mean_name));
  MOE_ASSIGN_OR_RETURN(moments.mean, DoubleVector(*mean, mean_name));
  MOE_ASSIGN_OR_RETURN(const HostTensor* variance, taker.Take(variance_name));
  MOE_ASSIGN_OR_RETURN(moments.variance,
                       DoubleVector(*variance, variance_name));
  return moments;
}

bool HasMoments(const TensorTaker& taker, absl::string_view part_name) {
  return taker.Has(absl::StrCat(part_name, ".number")) ||
         taker.Has(absl::StrCat(part_name, ".mean")) ||
         taker.Has(absl::StrCat(part_name, ".variance"));
}

absl::StatusOr<FeatureMoments> MomentsAt(const PtCursor& at) {
  MOE_RETURN_IF_ERROR(at.OnlyKeys({"number", "mean", "variance"}));
  FeatureMoments moments;
  MOE_ASSIGN_OR_RETURN(const PtCursor number, at.At("number"));
  MOE_ASSIGN_OR_RETURN(moments.number, CountAt(number));
  MOE_ASSIGN_OR_RETURN(const PtCursor mean, at.At("mean"));
  MOE_ASSIGN_OR_RETURN(moments.mean, DoubleVectorAt(mean));
  MOE_ASSIGN_OR_RETURN(const PtCursor variance, at.At("variance"));
  MOE_ASSIGN_OR_RETURN(moments.variance, DoubleVectorAt(variance));
  return moments;
}

absl::Status ValidateMoments(const FeatureMoments& moments, int64_t hidden_size,
                             absl::string_view name) {
  if (moments.number < 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        name, ".number is ", moments.number, "; a count cannot be negative"));
  }
  const std::string mean = absl::StrCat(name, ".mean");
  const std::string variance = absl::StrCat(name, ".variance");
  MOE_RETURN_IF_ERROR(CheckEqual(static_cast<int64_t>(moments.mean.size()),
                                 hidden_size,
                                 absl::StrCat(mean, ": the hidden size")));
  MOE_RETURN_IF_ERROR(CheckEqual(static_cast<int64_t>(moments.variance.size()),
                                 hidden_size,
                                 absl::StrCat(variance, ": the hidden size")));
  MOE_RETURN_IF_ERROR(CheckFinite(moments.mean, mean));
  MOE_RETURN_IF_ERROR(CheckFinite(moments.variance, variance));
  for (size_t i = 0; i < moments.variance.size(); ++i) {
    if (moments.variance[i] >= 0) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(variance, "[", i, "] is ", moments.variance[i],
                     "; a variance cannot be negative"));
  }
  return absl::OkStatus();
}

}  // namespace

HostTensors Distribution::ToTensors() const {
  HostTensors tensors;
  for (size_t i = 0; i < layers.size(); ++i) {
    for (const auto& [part, moments] : layers[i].Named()) {
      if (!moments->has_value()) continue;
      const std::string name = PartName(static_cast<int64_t>(i), part);
      const FeatureMoments& m = **moments;
      tensors[name + ".number"] = IntTensor({m.number}, {});
      tensors[name + ".mean"] =
          DoubleTensor(m.mean, {static_cast<int64_t>(m.mean.size())});
      tensors[name + ".variance"] =
          DoubleTensor(m.variance, {static_cast<int64_t>(m.variance.size())});
    }
  }
  return tensors;
}

absl::StatusOr<Distribution> Distribution::FromTensors(
    const HostTensors& tensors) {
  TensorTaker taker(tensors);
  Distribution distribution;
  MOE_ASSIGN_OR_RETURN(const int64_t num_layers, taker.NumLayers());
  for (int64_t i = 0; i < num_layers; ++i) {
    LayerParts<FeatureMoments> layer;
    for (const auto& [part, moments] : layer.Named()) {
      const std::string name = PartName(i, part);
      if (!HasMoments(taker, name)) continue;
      MOE_ASSIGN_OR_RETURN(*moments, TakeMoments(taker, name));
    }
    if (layer.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("the tensors \"", PartName(i, "attn"), ".mean\" and \"",
                       PartName(i, "mlp"), ".mean\" are missing"));
    }
    distribution.layers.push_back(std::move(layer));
  }
  MOE_RETURN_IF_ERROR(taker.Finish());
  return distribution;
}

namespace {

// As F32.
HostTensor RoundedTensor(const std::vector<double>& values) {
  const std::vector<float> rounded(values.begin(), values.end());
  return FloatTensor(rounded, {static_cast<int64_t>(rounded.size())});
}

}  // namespace

PtValue Distribution::ToPt() const {
  PtDict dict;
  for (size_t i = 0; i < layers.size(); ++i) {
    PtDict parts;
    for (const auto& [part, moments] : layers[i].Named()) {
      if (!moments->has_value()) continue;
      const FeatureMoments& m = **moments;
      PtDict fields;
      fields.Add("number", {IntTensor({m.number}, {})});
      fields.Add("mean", {RoundedTensor(m.mean)});
      fields.Add("variance", {RoundedTensor(m.variance)});
      parts.Add(std::string(part), {std::move(fields)});
    }
    dict.Add(static_cast<int64_t>(i), {std::move(parts)});
  }
  return {std::move(dict)};
}

absl::StatusOr<Distribution> Distribution::FromPt(const PtValue& value) {
  MOE_ASSIGN_OR_RETURN(const std::vector<PtCursor> cursors,
                       PtCursor(value).Numbered("layers"));
  Distribution distribution;
  for (const PtCursor& cursor : cursors) {
    MOE_RETURN_IF_ERROR(cursor.OnlyKeys({"attn", "mlp"}));
    LayerParts<FeatureMoments> layer;
    for (const auto& [part, moments] : layer.Named()) {
      const PtKey key = std::string(part);
      if (!cursor.Has(key)) continue;
      MOE_ASSIGN_OR_RETURN(const PtCursor at, cursor.At(key));
      MOE_ASSIGN_OR_RETURN(*moments, MomentsAt(at));
    }
    if (layer.empty()) {
      return cursor.Error("has neither \"attn\" nor \"mlp\"");
    }
    distribution.layers.push_back(std::move(layer));
  }
  return distribution;
}

absl::Status ValidateDistribution(const Distribution& distribution,
                                  const DistributionShape& want,
                                  absl::string_view where) {
  MOE_RETURN_IF_ERROR(
      Annotate(CheckEqual(static_cast<int64_t>(distribution.layers.size()),
                          want.num_layers, "the number of layers"),
               where));
  for (int64_t i = 0; i < want.num_layers; ++i) {
    const auto& layer = distribution.layers[static_cast<size_t>(i)];
    for (const auto& [part, moments] : layer.Named()) {
      if (!moments->has_value()) continue;
      MOE_RETURN_IF_ERROR(Annotate(
          ValidateMoments(**moments, want.hidden_size, PartName(i, part)),
          where));
    }
  }
  return absl::OkStatus();
}

}  // namespace moe
