#include "moe/checkpoint/artifact/distribution.h"

#include <cstdint>
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

namespace moe::checkpoint {
namespace {

using LayerMoments = LayerParts<FeatureMoments>;

constexpr absl::string_view kNumber = ".number";
constexpr absl::string_view kMean = ".mean";
constexpr absl::string_view kVariance = ".variance";

absl::StatusOr<LayerMoments> TakeMoments(TensorTaker& taker, int64_t index) {
  LayerMoments layer;
  for (const auto& [part, moments] : layer.Named()) {
    const std::string name = LayerTensorName(index, part);
    const std::string number = absl::StrCat(name, kNumber);
    const std::string mean = absl::StrCat(name, kMean);
    const std::string variance = absl::StrCat(name, kVariance);
    if (!taker.Has(number) && !taker.Has(mean) && !taker.Has(variance)) {
      continue;
    }
    FeatureMoments& m = moments->emplace();
    MOE_ASSIGN_OR_RETURN(m.number, taker.Take(number, ReadCount));
    MOE_ASSIGN_OR_RETURN(m.mean, taker.Take(mean, ReadVector<double>));
    MOE_ASSIGN_OR_RETURN(m.variance, taker.Take(variance, ReadVector<double>));
  }
  if (!layer.empty()) return layer;
  return absl::InvalidArgumentError(absl::StrCat(
      "expected the tensor \"", LayerTensorName(index, "attn"), kMean,
      "\" or \"", LayerTensorName(index, "mlp"), kMean, "\", found neither"));
}

absl::StatusOr<FeatureMoments> MomentsAt(const PtCursor& at) {
  MOE_RETURN_IF_ERROR(at.OnlyKeys({"number", "mean", "variance"}));
  FeatureMoments moments;
  MOE_ASSIGN_OR_RETURN(moments.number, CountAt(at.At("number")));
  MOE_ASSIGN_OR_RETURN(moments.mean, VectorAt<double>(at.At("mean")));
  MOE_ASSIGN_OR_RETURN(moments.variance, VectorAt<double>(at.At("variance")));
  return moments;
}

absl::StatusOr<LayerMoments> LayerMomentsAt(const PtCursor& at) {
  MOE_RETURN_IF_ERROR(at.OnlyKeys({"attn", "mlp"}));
  LayerMoments layer;
  for (const auto& [part, moments] : layer.Named()) {
    const PtKey key = std::string(part);
    if (!at.Has(key)) continue;
    MOE_ASSIGN_OR_RETURN(const PtCursor moments_at, at.At(key));
    MOE_ASSIGN_OR_RETURN(*moments, MomentsAt(moments_at));
  }
  if (!layer.empty()) return layer;
  return at.Error("expected the key \"attn\" or \"mlp\", found neither");
}

absl::Status ValidateMoments(const FeatureMoments& moments, int64_t hidden_size,
                             absl::string_view name) {
  if (moments.number < 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        name, kNumber, ": expected 0 or more, found ", moments.number));
  }
  const std::string mean = absl::StrCat(name, kMean);
  const std::string variance = absl::StrCat(name, kVariance);
  MOE_RETURN_IF_ERROR(CheckEqual(static_cast<int64_t>(moments.mean.size()),
                                 hidden_size, mean, "hidden_size"));
  MOE_RETURN_IF_ERROR(CheckEqual(static_cast<int64_t>(moments.variance.size()),
                                 hidden_size, variance, "hidden_size"));
  MOE_RETURN_IF_ERROR(CheckFinite(moments.mean, mean));
  MOE_RETURN_IF_ERROR(CheckFinite(moments.variance, variance));
  return CheckNotNegative(moments.variance, variance);
}

// As F32.
HostTensor RoundedTensor(const std::vector<double>& values) {
  return ToTensor(std::vector<float>(values.begin(), values.end()));
}

}  // namespace

HostTensors Distribution::ToTensors() const {
  HostTensors tensors;
  for (size_t i = 0; i < layers.size(); ++i) {
    for (const auto& [part, moments] : layers[i].Named()) {
      if (!moments->has_value()) continue;
      const std::string name = LayerTensorName(static_cast<int64_t>(i), part);
      const FeatureMoments& m = **moments;
      tensors[absl::StrCat(name, kNumber)] = IntTensor({m.number}, {});
      tensors[absl::StrCat(name, kMean)] = ToTensor(m.mean);
      tensors[absl::StrCat(name, kVariance)] = ToTensor(m.variance);
    }
  }
  return tensors;
}

absl::StatusOr<Distribution> Distribution::FromTensors(
    const HostTensors& tensors) {
  Distribution distribution;
  MOE_ASSIGN_OR_RETURN(distribution.layers,
                       TakeLayers<LayerMoments>(tensors, TakeMoments));
  return distribution;
}

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
  Distribution distribution;
  MOE_ASSIGN_OR_RETURN(distribution.layers,
                       LayersAt<LayerMoments>(value, LayerMomentsAt));
  return distribution;
}

absl::Status ValidateDistribution(const Distribution& distribution,
                                  const DistributionShape& want,
                                  absl::string_view where) {
  return CheckLayers<LayerMoments>(
      distribution.layers, want.num_layers, where,
      [&](const LayerMoments& layer, int64_t i) {
        for (const auto& [part, moments] : layer.Named()) {
          if (!moments->has_value()) continue;
          MOE_RETURN_IF_ERROR(ValidateMoments(**moments, want.hidden_size,
                                              LayerTensorName(i, part)));
        }
        return absl::OkStatus();
      });
}

}  // namespace moe::checkpoint
