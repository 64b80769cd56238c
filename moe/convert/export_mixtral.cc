#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "moe/base/check.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/convert/conversion_plan.h"
#include "moe/convert/export_target.h"

namespace moe::convert::internal {

Refusal RefuseMixtral(const checkpoint::MoeConfig& config) {
  if (config.intermediate_size_residual.has_value()) {
    return absl::StrCat("a residual expert (intermediate_size_residual ",
                        *config.intermediate_size_residual, ")");
  }
  if (Refusal refusal = RefuseContractLayers(config)) return refusal;
  return RefuseAttentionBias(config);
}

absl::StatusOr<ConversionPlan> PlanMixtral(Exported& exported) {
  const checkpoint::MoeConfig& config = exported.config;
  checkpoint::MoeConfig mixtral = config;
  mixtral.scale_factor = 1.0;
  mixtral.config_style = CheckpointForm::OWN;
  MOE_CHECK(checkpoint::IsPlainMixtral(mixtral));
  return PlanConversion(
      exported.from,
      {{checkpoint::kConfigFile, checkpoint::FormatMoeConfig(mixtral)}},
      [&](const checkpoint::TensorName& name,
          const checkpoint::TensorLocation& location)
          -> absl::StatusOr<Replacement> {
        Replacement group = CopyAs(name, location);
        if (name.kind == checkpoint::TensorKind::kExpertDown) {
          group.pieces = {ScaledBy(config.scale_factor, location)};
        }
        return group;
      });
}

}  // namespace moe::convert::internal
