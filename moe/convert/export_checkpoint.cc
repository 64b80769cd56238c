#include "moe/convert/export_checkpoint.h"

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/float_environment.h"
#include "moe/base/options/options.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/convert/conversion_plan.h"
#include "moe/convert/export_granite.h"
#include "moe/convert/export_mixtral.h"
#include "moe/convert/export_options.pb.h"
#include "moe/convert/piece_stream.h"

namespace moe {
namespace {

struct Limit {
  bool is_exceeded;
  std::string what;
  absl::string_view instead;
};

constexpr absl::string_view kLoadAsItIs =
    "or load the checkpoint as it is, with trust_remote_code=True";

// What no target holds.
absl::Status CheckExportable(const MoeConfig& config,
                             absl::string_view target) {
  const Limit limits[] = {
      {config.use_attn_moe,
       absl::StrCat("attention experts (attn_experts ", config.attn_experts,
                    ")"),
       "export the checkpoint from before convert_mixtral_attn_moe, "},
      {config.num_moe_contract_layers > 0,
       absl::StrCat("contract layers (num_moe_contract_layers ",
                    config.num_moe_contract_layers, ")"),
       "convert with --num_moe_contract_layers=0, "},
      {config.add_rescale_bias, "biases of an alignment (add_rescale_bias)",
       "align with --alignment_parts=magnitude, "},
      {config.decoder.mlp_bias, "biases of the MLP (mlp_bias)", ""},
  };
  for (const Limit& limit : limits) {
    if (!limit.is_exceeded) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        target, " cannot hold ", limit.what, "; ", limit.instead,
        limit.instead.empty() ? kLoadAsItIs.substr(3) : kLoadAsItIs));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ExportedCheckpoint> ExportCheckpoint(
    const Checkpoint& from, const ExportOptions& options,
    const ConversionOutput& output, const ConversionResources& resources) {
  // What is computed before there is a plan is under the contract, too.
  SetFloatEnvironment();
  MOE_RETURN_IF_ERROR(CheckOptions(options));
  const bool is_mixtral = options.target() == ExportOptions::MIXTRAL;
  const MoeConfig* const config = from.moe_config();
  if (config == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(
        from.directory(),
        " is a dense LLaMA checkpoint, which transformers loads as it is; "
        "export is for what convert_mixtral or convert_mixtral_residual made"));
  }
  MOE_RETURN_IF_ERROR(Annotate(
      CheckExportable(*config, is_mixtral ? "mixtral" : "granitemoeshared"),
      from.directory()));
  MOE_ASSIGN_OR_RETURN(ConversionPlan plan, is_mixtral
                                                ? PlanMixtral(from, *config)
                                                : PlanGranite(from, *config));
  ExportedCheckpoint exported;
  exported.scale_factor = config->scale_factor;
  MOE_ASSIGN_OR_RETURN(exported.written, WriteConversion(std::move(plan), from,
                                                         output, resources));
  return exported;
}

}  // namespace moe
