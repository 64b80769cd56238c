#include "moe/checkpoint/moe_config.h"

#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "moe/base/check.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/json.h"
#include "moe/checkpoint/llama_config.h"

namespace moe {
namespace {

absl::Status CheckRange(absl::string_view field, int64_t value, int64_t low,
                        int64_t high, absl::string_view why) {
  if (value >= low && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(field, " is ", value,
                                                 "; wanted is a number from ",
                                                 low, " to ", high, why));
}

absl::Status CheckPositive(absl::string_view field, double value) {
  if (value > 0 && value <= std::numeric_limits<double>::max()) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat(field, " is ", value, "; wanted is a number above 0"));
}

absl::Status CheckMlp(const MoeConfig& config) {
  const int64_t dense_size = config.decoder.intermediate_size;
  MOE_RETURN_IF_ERROR(
      CheckRange("num_experts_per_tok", config.num_experts_per_tok, 1,
                 config.num_local_experts, " (num_local_experts)"));
  MOE_RETURN_IF_ERROR(CheckRange("intermediate_size",
                                 config.expert_intermediate_size, 1, dense_size,
                                 " (dense_intermediate_size)"));
  if (config.intermediate_size_residual.has_value()) {
    MOE_RETURN_IF_ERROR(CheckRange("intermediate_size_residual",
                                   *config.intermediate_size_residual, 1,
                                   dense_size, " (dense_intermediate_size)"));
  }
  return CheckPositive("scale_factor", config.scale_factor);
}

absl::Status CheckAttention(const MoeConfig& config) {
  const int64_t num_groups = config.decoder.num_key_value_heads;
  const int64_t heads_per_group =
      config.decoder.num_attention_heads / num_groups;
  const int64_t split = config.attn_experts / num_groups;
  const bool power_of_two = split > 0 && (split & (split - 1)) == 0;
  if (config.attn_experts % num_groups != 0 || !power_of_two ||
      heads_per_group % split != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("attn_experts is ", config.attn_experts,
                     "; wanted is num_key_value_heads, ", num_groups,
                     ", times a power of two that divides the ",
                     heads_per_group, " query heads of a KV head"));
  }
  MOE_RETURN_IF_ERROR(CheckRange("top_k_attn", config.top_k_attn, 1,
                                 config.attn_experts, " (attn_experts)"));
  return CheckPositive("scale_factor_attn", config.scale_factor_attn);
}

absl::Status ParseMlp(const Json& document, MoeConfig& config) {
  MOE_ASSIGN_OR_RETURN(config.num_local_experts,
                       Get<int64_t>(document, "num_local_experts"));
  MOE_ASSIGN_OR_RETURN(config.num_experts_per_tok,
                       Get<int64_t>(document, "num_experts_per_tok"));
  MOE_ASSIGN_OR_RETURN(config.scale_factor,
                       GetOr<double>(document, "scale_factor", 1.0));
  MOE_ASSIGN_OR_RETURN(config.router_aux_loss_coef,
                       GetOr<double>(document, "router_aux_loss_coef", 0.01));
  if (FindField(document, "intermediate_size_residual") != nullptr) {
    MOE_ASSIGN_OR_RETURN(config.intermediate_size_residual,
                         Get<int64_t>(document, "intermediate_size_residual"));
  }
  return absl::OkStatus();
}

absl::Status ParseAttention(const Json& document, MoeConfig& config) {
  MOE_ASSIGN_OR_RETURN(config.use_attn_moe,
                       GetOr(document, "use_attn_moe", false));
  if (!config.use_attn_moe) return absl::OkStatus();
  MOE_ASSIGN_OR_RETURN(config.attn_experts,
                       Get<int64_t>(document, "attn_experts"));
  MOE_ASSIGN_OR_RETURN(config.top_k_attn, Get<int64_t>(document, "top_k_attn"));
  MOE_ASSIGN_OR_RETURN(config.scale_factor_attn,
                       GetOr<double>(document, "scale_factor_attn", 1.0));
  return absl::OkStatus();
}

// Both together mark what this project writes.
absl::Status CheckIsOurs(const Json& document) {
  constexpr absl::string_view kModelType = "mixtral";
  constexpr absl::string_view kMoeType = "modulelist";
  MOE_ASSIGN_OR_RETURN(const std::string model_type,
                       GetOr<std::string>(document, "model_type", ""));
  if (model_type != kModelType) {
    return absl::UnimplementedError(absl::StrCat(
        "model_type is \"", model_type, "\"; wanted is \"", kModelType, "\""));
  }
  MOE_ASSIGN_OR_RETURN(const std::string moe_type,
                       GetOr<std::string>(document, "moe_type", ""));
  if (moe_type == kMoeType) return absl::OkStatus();
  return absl::UnimplementedError(absl::StrCat(
      "moe_type is \"", moe_type, "\"; wanted is \"", kMoeType,
      "\": this is a Mixtral of another making or an exported one, which only "
      "transformers reads; if it was exported, take the checkpoint that it was "
      "exported from"));
}

// transformers 5 has rope_theta and rope_scaling in rope_parameters, which
// version 4 does not look at: written in the older form, which both read.
void SetRope(const LlamaConfig& config, Json& document) {
  document["rope_theta"] = config.rope.theta;
  const Json* const found = FindField(document, "rope_parameters");
  if (found == nullptr) return;
  Json scaling = *found;
  scaling.erase("rope_theta");
  document.erase("rope_parameters");
  document["rope_scaling"] =
      config.rope.type == RopeType::kDefault ? Json() : scaling;
}

// Fields that a dense configuration may leave to LLaMA's defaults are written
// out: under another model_type, readers have other defaults for them.
void SetResolvedDefaults(const LlamaConfig& config, Json& document) {
  document["num_key_value_heads"] = config.num_key_value_heads;
  document["head_dim"] = config.head_dim;
  document["max_position_embeddings"] = config.max_position_embeddings;
  document["rms_norm_eps"] = config.rms_norm_eps;
  document["tie_word_embeddings"] = config.tie_word_embeddings;
  document["attention_bias"] = config.attention_bias;
  document["mlp_bias"] = config.mlp_bias;
  document["hidden_act"] = "silu";
  SetRope(config, document);
}

// "FILE without .py.CLASS", as transformers looks it up.
std::string ClassIn(absl::string_view file, absl::string_view name) {
  return absl::StrCat(absl::StripSuffix(file, ".py"), ".", name);
}

}  // namespace

absl::Status ValidateMoeConfig(const MoeConfig& config) {
  MOE_RETURN_IF_ERROR(CheckRange("num_local_experts", config.num_local_experts,
                                 config.use_attn_moe ? 0 : 1, int64_t{1} << 20,
                                 ""));
  MOE_RETURN_IF_ERROR(
      CheckRange("num_moe_contract_layers", config.num_moe_contract_layers, 0,
                 (config.decoder.num_hidden_layers - 1) / 2,
                 " (at least one of the num_hidden_layers has experts)"));
  if (!(config.router_aux_loss_coef >= 0)) {
    return absl::InvalidArgumentError(
        absl::StrCat("router_aux_loss_coef is ", config.router_aux_loss_coef,
                     "; wanted is a number of 0 or more"));
  }
  if (config.num_local_experts > 0) MOE_RETURN_IF_ERROR(CheckMlp(config));
  if (config.use_attn_moe) MOE_RETURN_IF_ERROR(CheckAttention(config));
  return absl::OkStatus();
}

absl::StatusOr<MoeConfig> ParseMoeConfig(absl::string_view text) {
  MOE_ASSIGN_OR_RETURN(Json document, ParseJsonObject(text));
  MOE_RETURN_IF_ERROR(CheckIsOurs(document));
  MoeConfig config;
  MOE_RETURN_IF_ERROR(ParseMlp(document, config));
  MOE_RETURN_IF_ERROR(ParseAttention(document, config));
  MOE_ASSIGN_OR_RETURN(config.num_moe_contract_layers,
                       GetOr<int64_t>(document, "num_moe_contract_layers", 0));
  MOE_ASSIGN_OR_RETURN(config.add_rescale_bias,
                       GetOr(document, "add_rescale_bias", false));
  MOE_ASSIGN_OR_RETURN(const int64_t dense_intermediate_size,
                       Get<int64_t>(document, "dense_intermediate_size"));
  MOE_ASSIGN_OR_RETURN(config.decoder, ParseDecoderConfig(std::move(document)));
  config.expert_intermediate_size = config.decoder.intermediate_size;
  MOE_RETURN_IF_ERROR(CheckRange("dense_intermediate_size",
                                 dense_intermediate_size, 1, int64_t{1} << 31,
                                 ""));
  config.decoder.intermediate_size = dense_intermediate_size;
  MOE_RETURN_IF_ERROR(ValidateMoeConfig(config));
  return config;
}

std::string FormatMoeConfig(const MoeConfig& config) {
  MOE_CHECK(ValidateMoeConfig(config).ok());
  Json document = config.decoder.document;
  document["architectures"] = {"MixtralForCausalLM"};
  document["auto_map"] = {
      {"AutoConfig", ClassIn(kModelConfigurationFile, "LlamaMoeConfig")},
      {"AutoModel", ClassIn(kModelCodeFile, "MixtralModel")},
      {"AutoModelForCausalLM", ClassIn(kModelCodeFile, "MixtralForCausalLM")}};
  document["model_type"] = "mixtral";
  SetResolvedDefaults(config.decoder, document);
  document["num_local_experts"] = config.num_local_experts;
  document["num_experts_per_tok"] = config.num_experts_per_tok;
  document["intermediate_size"] = config.num_local_experts > 0
                                      ? config.expert_intermediate_size
                                      : config.decoder.intermediate_size;
  document["dense_intermediate_size"] = config.decoder.intermediate_size;
  if (config.intermediate_size_residual.has_value()) {
    document["intermediate_size_residual"] = *config.intermediate_size_residual;
  } else {
    document.erase("intermediate_size_residual");
  }
  document["router_aux_loss_coef"] = config.router_aux_loss_coef;
  document["scale_factor"] = config.scale_factor;
  document["moe_type"] = "modulelist";
  document["num_moe_contract_layers"] = config.num_moe_contract_layers;
  document["use_attn_moe"] = config.use_attn_moe;
  document["top_k_attn"] = config.top_k_attn;
  document["attn_experts"] = config.attn_experts;
  document["scale_factor_attn"] = config.scale_factor_attn;
  document["add_rescale_bias"] = config.add_rescale_bias;
  document["sliding_window"] = nullptr;
  return FormatJson(document);
}

}  // namespace moe
