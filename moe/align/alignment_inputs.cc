#include "moe/align/alignment_inputs.h"

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/align/align_options.pb.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/artifact/artifact_tensors.h"
#include "moe/checkpoint/artifact/distribution.h"
#include "moe/checkpoint/artifact/layer_parts.h"
#include "moe/checkpoint/artifact/scale_factors.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/moe_config.h"

namespace moe {

LayerParts<bool> BlocksWithExperts(const MoeConfig& config, int64_t layer) {
  const bool is_contract = config.IsContractLayer(layer);
  return {config.use_attn_moe && !is_contract,
          config.num_local_experts > 0 && !is_contract};
}

absl::Status CheckAlignable(const Checkpoint& checkpoint,
                            const AlignOptions& options) {
  const MoeConfig* const config = checkpoint.moe_config();
  if (config == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(
        checkpoint.directory(),
        " is a dense LLaMA checkpoint, which has no experts to align; wanted "
        "is what a conversion made of it"));
  }
  if (!config->add_rescale_bias || options.realign()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      checkpoint.directory(),
      " has been aligned already (add_rescale_bias); align the checkpoint from "
      "before, or say realign to align this one once more"));
}

absl::Status CheckReference(const MoeConfig& config,
                            const Distribution& reference,
                            absl::string_view where) {
  MOE_RETURN_IF_ERROR(ValidateDistribution(
      reference, {config.decoder.num_hidden_layers, config.decoder.hidden_size},
      where));
  for (size_t i = 0; i < reference.layers.size(); ++i) {
    const auto layer = static_cast<int64_t>(i);
    const LayerParts<bool> wanted = BlocksWithExperts(config, layer);
    const auto given = reference.layers[i].Named();
    for (size_t p = 0; p < given.size(); ++p) {
      const auto [part, is_wanted] = wanted.Named()[p];
      if (!is_wanted->value()) continue;
      const std::string name =
          absl::StrCat(where, ": ", LayerTensorName(layer, part));
      const auto* const moments = given[p].second;
      if (!moments->has_value()) {
        return absl::InvalidArgumentError(
            absl::StrCat(name,
                         " is missing, and the model has experts there; use a "
                         "distribution of the whole dense model"));
      }
      if ((*moments)->number > 0) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          name,
          ".number is 0: no tokens have no mean and no variance; record "
          "the distribution over one at least"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckFactors(const MoeConfig& config, const ScaleFactors& factors,
                          absl::string_view where) {
  const int64_t num_layers = config.decoder.num_hidden_layers;
  MOE_RETURN_IF_ERROR(ValidateScaleFactors(
      factors, {num_layers, config.decoder.hidden_size}, where));
  for (int64_t i = 0; i < num_layers; ++i) {
    const LayerParts<bool> wanted = BlocksWithExperts(config, i);
    const auto found = factors.layers.find(i);
    const LayerParts<ScaleFactor> given = found == factors.layers.end()
                                              ? LayerParts<ScaleFactor>()
                                              : found->second;
    for (size_t p = 0; p < 2; ++p) {
      const auto [part, is_wanted] = wanted.Named()[p];
      if (given.Named()[p].second->has_value() == is_wanted->value()) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          where, ": ", LayerTensorName(i, part),
          is_wanted->value() ? " is missing, and the model has experts there"
                             : " is there, and the model has no experts there",
          "; use the factors of this checkpoint"));
    }
  }
  return absl::OkStatus();
}

}  // namespace moe
