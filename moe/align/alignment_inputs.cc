#include "moe/align/alignment_inputs.h"

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/align/align_options.pb.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/artifact/artifact_tensors.h"
#include "moe/checkpoint/artifact/distribution.h"
#include "moe/checkpoint/artifact/layer_parts.h"
#include "moe/checkpoint/artifact/scale_factors.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/moe_config.h"

namespace moe::align {

checkpoint::LayerParts<bool> BlocksWithExperts(
    const checkpoint::MoeConfig& config, int64_t layer) {
  const bool is_contract = config.IsContractLayer(layer);
  return {config.use_attn_moe && !is_contract,
          config.num_local_experts > 0 && !is_contract};
}

absl::Status CheckAlignable(const checkpoint::Checkpoint& checkpoint,
                            const AlignOptions& options) {
  const checkpoint::MoeConfig* const config = checkpoint.moe_config();
  if (config == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(
        checkpoint.directory(),
        ": expected a Mixture-of-Experts checkpoint, found a dense one, which "
        "has no experts to align; convert it first"));
  }
  if (!config->add_rescale_bias || options.realign()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      checkpoint.directory(),
      ": expected a checkpoint that is not aligned, found add_rescale_bias; "
      "align the checkpoint from before, or set realign to align this one "
      "again"));
}

absl::Status CheckReference(const checkpoint::MoeConfig& config,
                            const checkpoint::Distribution& reference,
                            absl::string_view where) {
  MOE_RETURN_IF_ERROR(checkpoint::ValidateDistribution(
      reference, {config.decoder.num_hidden_layers, config.decoder.hidden_size},
      where));
  for (size_t i = 0; i < reference.layers.size(); ++i) {
    const auto layer = static_cast<int64_t>(i);
    const checkpoint::LayerParts<bool> wanted =
        BlocksWithExperts(config, layer);
    const auto given = reference.layers[i].Named();
    for (size_t p = 0; p < given.size(); ++p) {
      const auto [part, is_wanted] = wanted.Named()[p];
      if (!is_wanted->value()) continue;
      const std::string name =
          absl::StrCat(where, ": ", checkpoint::LayerTensorName(layer, part));
      const auto* const moments = given[p].second;
      if (!moments->has_value()) {
        return absl::InvalidArgumentError(
            absl::StrCat(name,
                         ": expected moments, because the model has experts "
                         "there, found none; use a distribution of the whole "
                         "dense model"));
      }
      if ((*moments)->number > 0) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          name,
          ".number: expected at least 1, found 0; record the distribution over "
          "at least one token"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckFactors(const checkpoint::MoeConfig& config,
                          const checkpoint::ScaleFactors& factors,
                          absl::string_view where) {
  const int64_t num_layers = config.decoder.num_hidden_layers;
  MOE_RETURN_IF_ERROR(checkpoint::ValidateScaleFactors(
      factors, {num_layers, config.decoder.hidden_size}, where));
  for (int64_t i = 0; i < num_layers; ++i) {
    const checkpoint::LayerParts<bool> wanted = BlocksWithExperts(config, i);
    const auto found = factors.layers.find(i);
    const checkpoint::LayerParts<checkpoint::ScaleFactor> given =
        found == factors.layers.end()
            ? checkpoint::LayerParts<checkpoint::ScaleFactor>()
            : found->second;
    for (size_t p = 0; p < 2; ++p) {
      const auto [part, is_wanted] = wanted.Named()[p];
      if (given.Named()[p].second->has_value() == is_wanted->value()) continue;
      return absl::InvalidArgumentError(
          absl::StrCat(where, ": ", checkpoint::LayerTensorName(i, part),
                       is_wanted->value() ? ": expected factors, because the "
                                            "model has experts there, found "
                                            "none"
                                          : ": expected none, because the "
                                            "model has no experts there, found "
                                            "factors",
                       "; use the factors of this checkpoint"));
    }
  }
  return absl::OkStatus();
}

double ExpertBias(float bias, double scale_factor, AlignOptions::Mode mode) {
  return mode == AlignOptions::PUBLISHED ? double{bias} : bias / scale_factor;
}

absl::StatusOr<float> RoundToWeight(checkpoint::Dtype dtype, double value) {
  float rounded = std::numeric_limits<float>::infinity();
  if (std::fabs(value) <= std::numeric_limits<float>::max()) {
    rounded = static_cast<float>(value);
    std::array<char, sizeof(float)> buffer;
    const auto bytes = absl::MakeSpan(buffer).first(
        static_cast<size_t>(checkpoint::DtypeSize(dtype)));
    checkpoint::FloatToWeights(dtype, absl::MakeConstSpan(&rounded, 1), bytes);
    checkpoint::WeightsToFloat(dtype, bytes, absl::MakeSpan(&rounded, 1));
  }
  if (std::isfinite(rounded)) return rounded;
  return absl::InvalidArgumentError(
      absl::StrCat("bias: expected a number that ",
                   checkpoint::DtypeName(dtype), " can hold, found ", value));
}

}  // namespace moe::align
