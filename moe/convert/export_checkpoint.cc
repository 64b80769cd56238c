#include "moe/convert/export_checkpoint.h"

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "moe/base/float_environment.h"
#include "moe/base/options/options.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/convert/conversion_plan.h"
#include "moe/convert/export_options.pb.h"
#include "moe/convert/export_target.h"
#include "moe/convert/piece_stream.h"

namespace moe::convert {
namespace {

using internal::Exported;
using internal::Refusal;

constexpr absl::string_view kLoadAsItIs =
    "load the checkpoint as it is, with trust_remote_code=True";

struct Target {
  ExportOptions::Target target;
  absl::string_view name;
  Refusal (*refuse)(const checkpoint::MoeConfig&);
  absl::StatusOr<ConversionPlan> (*plan)(Exported&);
};

// AUTO takes the first that holds the checkpoint: the one that most programs
// load.
constexpr Target kTargets[] = {
    {ExportOptions::MIXTRAL, "mixtral", internal::RefuseMixtral,
     internal::PlanMixtral},
    {ExportOptions::GRANITEMOESHARED, "granitemoeshared",
     internal::RefuseGranite, internal::PlanGranite},
    {ExportOptions::ERNIE4_5_MOE, "ernie4_5_moe", internal::RefuseErnie,
     internal::PlanErnie},
    {ExportOptions::QWEN2_MOE, "qwen2_moe", internal::RefuseQwen2,
     internal::PlanQwen2},
};

// InvalidArgument for a scale factor that float32 has as 0 or infinity.
absl::Status CheckScaleFactor(const Exported& exported) {
  const auto factor = static_cast<float>(exported.config.scale_factor);
  if (factor != 0.0f && std::isfinite(factor)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      exported.from.directory(),
      ": scale_factor: expected a number that float32 holds, found ",
      exported.config.scale_factor, ", which is ", factor,
      "; convert with a --scale_factor ",
      factor == 0.0f ? "of 1e-38 or more" : "of 1e38 or less", ", or ",
      kLoadAsItIs));
}

struct Limit {
  bool is_exceeded;
  std::string what;
  absl::string_view instead;
};

// What no target holds.
absl::Status CheckExportable(const Exported& exported) {
  const checkpoint::MoeConfig& config = exported.config;
  const Limit limits[] = {
      {config.use_attn_moe,
       absl::StrCat("attention experts (attn_experts ", config.attn_experts,
                    ")"),
       "export the checkpoint from before convert_mixtral_attn_moe, or "},
      {config.add_rescale_bias, "biases of an alignment (add_rescale_bias)",
       "align with --alignment_parts=magnitude, or "},
      {config.decoder.mlp_bias, "biases of the MLP (mlp_bias)", ""},
  };
  for (const Limit& limit : limits) {
    if (!limit.is_exceeded) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(exported.from.directory(), ": no target can hold ",
                     limit.what, "; ", limit.instead, kLoadAsItIs));
  }
  return CheckScaleFactor(exported);
}

// What a person whom a target refused can do.
std::string Instead(const checkpoint::MoeConfig& config) {
  std::vector<absl::string_view> holding;
  for (const Target& target : kTargets) {
    if (!target.refuse(config).has_value()) holding.push_back(target.name);
  }
  return holding.empty()
             ? std::string(kLoadAsItIs)
             : absl::StrCat("use --target=", absl::StrJoin(holding, " or "));
}

// The plan of the target, or of AUTO's choice, which `made` then says.
absl::StatusOr<ConversionPlan> PlanExport(ExportOptions::Target wanted,
                                          Exported& exported,
                                          ExportedCheckpoint& made) {
  const bool is_auto = wanted == ExportOptions::AUTO;
  for (const Target& target : kTargets) {
    if (!is_auto && target.target != wanted) continue;
    const Refusal refusal = target.refuse(exported.config);
    if (!refusal.has_value()) {
      absl::StatusOr<ConversionPlan> plan = target.plan(exported);
      made.target = std::string(target.name);
      if (!is_auto || !absl::IsInvalidArgument(plan.status())) return plan;
      made.refusals.emplace_back(plan.status().message());
      continue;
    }
    made.refusals.push_back(
        absl::StrCat(target.name, " cannot hold ", *refusal));
  }
  return absl::InvalidArgumentError(absl::StrCat(
      exported.from.directory(), ": ", absl::StrJoin(made.refusals, "; "), "; ",
      is_auto ? std::string(kLoadAsItIs) : Instead(exported.config)));
}

}  // namespace

absl::StatusOr<ExportedCheckpoint> ExportCheckpoint(
    const checkpoint::Checkpoint& from, const ExportOptions& options,
    const ConversionOutput& output, const ConversionResources& resources) {
  // What is computed before there is a plan is under the contract, too.
  base::SetFloatEnvironment();
  MOE_RETURN_IF_ERROR(base::CheckOptions(options));
  const checkpoint::MoeConfig* const config = from.moe_config();
  if (config == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(
        from.directory(),
        ": expected what convert_mixtral or convert_mixtral_residual made, "
        "found a dense LLaMA checkpoint; transformers loads it as it is"));
  }
  Exported exported = {from, *config, {}, {}};
  MOE_RETURN_IF_ERROR(CheckExportable(exported));
  ExportedCheckpoint made;
  made.scale_factor = config->scale_factor;
  MOE_ASSIGN_OR_RETURN(ConversionPlan plan,
                       PlanExport(options.target(), exported, made));
  MOE_ASSIGN_OR_RETURN(
      made.written, WriteConversion(std::move(plan), from, output, resources));
  return made;
}

}  // namespace moe::convert
