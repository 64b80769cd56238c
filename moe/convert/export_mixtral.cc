#include "moe/convert/export_mixtral.h"

#include <cmath>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "moe/base/check.h"
#include "moe/base/json.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/convert/conversion_plan.h"
#include "moe/convert/tensor_piece.h"

namespace moe {

TensorPiece ScaledBy(double scale_factor, const TensorLocation& from) {
  if (scale_factor == 1.0) return CopyPiece{from};
  return ScaledPiece{from, scale_factor};
}

absl::Status CheckScaleFactor(const Checkpoint& from, const MoeConfig& config) {
  const auto factor = static_cast<float>(config.scale_factor);
  if (factor != 0.0f && std::isfinite(factor)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      from.directory(), ": scale_factor is ", config.scale_factor,
      ", which as a float32, times which the weights are exported, is ", factor,
      "; convert with a --scale_factor ",
      factor == 0.0f ? "of 1e-38 or more" : "of 1e38 or less",
      ", or load the checkpoint as it is, with trust_remote_code=True"));
}

absl::StatusOr<ConversionPlan> PlanMixtral(const Checkpoint& from,
                                           const MoeConfig& config) {
  if (config.intermediate_size_residual.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat(from.directory(),
                     ": mixtral cannot hold a residual expert "
                     "(intermediate_size_residual ",
                     *config.intermediate_size_residual,
                     "); use --target=granitemoeshared"));
  }
  if (config.decoder.attention_bias) {
    return absl::InvalidArgumentError(absl::StrCat(
        from.directory(),
        ": mixtral cannot hold biases of the attention (attention_bias); load "
        "the checkpoint as it is, with trust_remote_code=True"));
  }
  MOE_RETURN_IF_ERROR(CheckScaleFactor(from, config));
  MoeConfig mixtral = config;
  mixtral.scale_factor = 1.0;
  mixtral.config_style = CheckpointForm::OWN;
  MOE_CHECK(IsPlainMixtral(mixtral));
  return PlanConversion(
      from, {{kConfigFile, FormatMoeConfig(mixtral)}},
      [&](const TensorName& name,
          const TensorLocation& location) -> absl::StatusOr<Replacement> {
        Replacement group = CopyAs(name, location);
        if (name.kind == TensorKind::kExpertDown) {
          group.pieces = {ScaledBy(config.scale_factor, location)};
        }
        return group;
      });
}

}  // namespace moe
