#include "moe/checkpoint/moe_config.h"

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "moe/base/check.h"
#include "moe/base/json.h"
#include "moe/base/option_checks.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/checkpoint_form.pb.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/path_fields.h"

namespace moe::checkpoint {
namespace {

absl::Status CheckRange(absl::string_view field, int64_t value, int64_t low,
                        int64_t high, absl::string_view why) {
  return base::CheckField(
      value >= low && value <= high, field, value,
      absl::StrCat("a number from ", low, " to ", high, why));
}

absl::Status CheckPositive(absl::string_view field, double value) {
  return base::CheckField(
      value > 0 && value <= std::numeric_limits<double>::max(), field, value,
      "a number above 0");
}

absl::Status CheckNumExperts(const MoeConfig& config) {
  return CheckRange("num_local_experts", config.num_local_experts,
                    config.use_attn_moe ? 0 : 1, int64_t{1} << 20, "");
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
    return absl::InvalidArgumentError(absl::StrCat(
        "attn_experts: expected num_key_value_heads, ", num_groups,
        ", times a power of two that divides the ", heads_per_group,
        " query heads of a KV head, found ", config.attn_experts));
  }
  MOE_RETURN_IF_ERROR(CheckRange("top_k_attn", config.top_k_attn, 1,
                                 config.attn_experts, " (attn_experts)"));
  return CheckPositive("scale_factor_attn", config.scale_factor_attn);
}

absl::Status ParseMlp(const base::Json& document, MoeConfig& config) {
  MOE_ASSIGN_OR_RETURN(config.num_local_experts,
                       base::Get<int64_t>(document, "num_local_experts"));
  MOE_ASSIGN_OR_RETURN(config.num_experts_per_tok,
                       base::Get<int64_t>(document, "num_experts_per_tok"));
  MOE_ASSIGN_OR_RETURN(config.scale_factor,
                       base::GetOr<double>(document, "scale_factor", 1.0));
  MOE_ASSIGN_OR_RETURN(
      config.router_aux_loss_coef,
      base::GetOr<double>(document, "router_aux_loss_coef", 0.01));
  if (base::FindField(document, "intermediate_size_residual") != nullptr) {
    MOE_ASSIGN_OR_RETURN(
        config.intermediate_size_residual,
        base::Get<int64_t>(document, "intermediate_size_residual"));
  }
  return absl::OkStatus();
}

absl::Status ParseAttention(const base::Json& document, MoeConfig& config) {
  MOE_ASSIGN_OR_RETURN(config.use_attn_moe,
                       base::GetOr(document, "use_attn_moe", false));
  if (!config.use_attn_moe) return absl::OkStatus();
  MOE_ASSIGN_OR_RETURN(config.attn_experts,
                       base::Get<int64_t>(document, "attn_experts"));
  MOE_ASSIGN_OR_RETURN(config.top_k_attn,
                       base::Get<int64_t>(document, "top_k_attn"));
  MOE_ASSIGN_OR_RETURN(config.scale_factor_attn,
                       base::GetOr<double>(document, "scale_factor_attn", 1.0));
  return absl::OkStatus();
}

constexpr absl::string_view kOwnModelType = "llama_moe";
constexpr absl::string_view kMixtralModelType = "mixtral";
constexpr absl::string_view kMoeType = "modulelist";

// A "mixtral" without a moe_type was written for transformers' Mixtral.
absl::StatusOr<CheckpointForm::ConfigStyle> ParseStyle(
    const base::Json& document) {
  MOE_ASSIGN_OR_RETURN(const std::string model_type,
                       base::GetOr<std::string>(document, "model_type", ""));
  if (!IsMoeModelType(model_type)) {
    return absl::UnimplementedError(
        absl::StrCat("model_type: expected \"", kOwnModelType, "\" or \"",
                     kMixtralModelType, "\", found \"", model_type, "\""));
  }
  MOE_ASSIGN_OR_RETURN(
      const std::string moe_type,
      base::GetOr<std::string>(document, "moe_type", std::string(kMoeType)));
  if (moe_type != kMoeType) {
    return absl::UnimplementedError(absl::StrCat(
        "moe_type: expected \"", kMoeType, "\", found \"", moe_type, "\""));
  }
  const bool is_published = model_type == kMixtralModelType &&
                            base::FindField(document, "moe_type") != nullptr;
  return is_published ? CheckpointForm::PUBLISHED : CheckpointForm::OWN;
}

bool IsPlainMixtralDocument(const base::Json& document) {
  const absl::StatusOr<std::string> model_type =
      base::GetOr<std::string>(document, "model_type", "");
  return model_type.ok() && *model_type == kMixtralModelType &&
         base::FindField(document, "moe_type") == nullptr;
}

// The defaults of a Mixtral's fields that differ from LLaMA's. Source:
// MixtralConfig of transformers 4.57.
void SetMixtralDefaults(base::Json& document) {
  const auto set = [&](const char* field, base::Json value) {
    if (!document.contains(field)) document[field] = std::move(value);
  };
  set("num_key_value_heads", 8);
  set("max_position_embeddings", 4096 * 32);
  set("rms_norm_eps", 1e-5);
  if (base::FindField(document, "rope_parameters") == nullptr) {
    set("rope_theta", 1e6);
  }
  set("num_local_experts", 8);
  set("num_experts_per_tok", 2);
  set("router_aux_loss_coef", 0.001);
}

// transformers 5 has rope_theta and rope_scaling in rope_parameters, which
// version 4 does not look at: written in the older form, which both read.
void SetRope(const LlamaConfig& config, base::Json& document) {
  document["rope_theta"] = config.rope.theta;
  const base::Json* const found = base::FindField(document, "rope_parameters");
  if (found == nullptr) return;
  base::Json scaling = *found;
  scaling.erase("rope_theta");
  document.erase("rope_parameters");
  document["rope_scaling"] =
      config.rope.type == RopeType::kDefault ? base::Json() : scaling;
}

// Writes the fields that a dense configuration may leave to LLaMA's defaults.
// Under another model_type readers have other defaults.
void SetResolvedDefaults(const LlamaConfig& config, base::Json& document) {
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

// The tokenizer stays what it was, and so does the code that it has of its own.
void KeepTokenizerCode(const base::Json& from, base::Json& document) {
  constexpr char kAutoMap[] = "auto_map";
  constexpr char kAutoTokenizer[] = "AutoTokenizer";
  const base::Json* const auto_map = base::FindField(from, kAutoMap);
  if (auto_map == nullptr || !auto_map->is_object()) return;
  const base::Json* const tokenizer =
      base::FindField(*auto_map, kAutoTokenizer);
  if (tokenizer != nullptr) document[kAutoMap][kAutoTokenizer] = *tokenizer;
}

// The classes of the model code that load the checkpoint.
void SetClasses(const MoeConfig& config, base::Json& document) {
  const bool published = config.config_style == CheckpointForm::PUBLISHED;
  const std::string model = published ? "Mixtral" : "LlamaMoe";
  const std::string causal_lm = absl::StrCat(model, "ForCausalLM");
  document["architectures"] = {causal_lm};
  document.erase("auto_map");
  document["auto_map"] = {
      {"AutoConfig",
       ClassIn(kModelConfigurationFile,
               published ? "PublishedLlamaMoeConfig" : "LlamaMoeConfig")},
      {"AutoModel", ClassIn(kModelCodeFile, absl::StrCat(model, "Model"))},
      {"AutoModelForCausalLM", ClassIn(kModelCodeFile, causal_lm)}};
  KeepTokenizerCode(config.decoder.document, document);
}

// Fields that only this project, and the published code, know.
constexpr char kOwnFields[] =
    "auto_map dense_intermediate_size intermediate_size_residual scale_factor "
    "moe_type num_moe_contract_layers use_attn_moe top_k_attn attn_experts "
    "scale_factor_attn add_rescale_bias";

// None for a plain Mixtral, which has no such field.
absl::StatusOr<std::optional<int64_t>> ParseDenseSize(
    const base::Json& document, bool is_plain) {
  constexpr char kField[] = "dense_intermediate_size";
  if (is_plain) return std::nullopt;
  MOE_ASSIGN_OR_RETURN(const int64_t size,
                       base::Get<int64_t>(document, kField));
  MOE_RETURN_IF_ERROR(CheckRange(kField, size, 1, int64_t{1} << 31, ""));
  return size;
}

}  // namespace

absl::Status ValidateMoeConfig(const MoeConfig& config) {
  MOE_RETURN_IF_ERROR(CheckNumExperts(config));
  MOE_RETURN_IF_ERROR(CheckRange("num_moe_contract_layers",
                                 config.num_moe_contract_layers, 0,
                                 (config.decoder.num_hidden_layers - 1) / 2,
                                 " (at least one layer has experts)"));
  MOE_RETURN_IF_ERROR(
      base::CheckField(config.router_aux_loss_coef >= 0, "router_aux_loss_coef",
                       config.router_aux_loss_coef, "a number of 0 or more"));
  if (config.num_local_experts > 0) MOE_RETURN_IF_ERROR(CheckMlp(config));
  if (config.use_attn_moe) MOE_RETURN_IF_ERROR(CheckAttention(config));
  return absl::OkStatus();
}

std::string FindBeyondMixtral(const MoeConfig& config) {
  if (config.num_local_experts == 0) return "num_local_experts 0";
  if (config.intermediate_size_residual.has_value()) {
    return absl::StrCat("intermediate_size_residual ",
                        *config.intermediate_size_residual);
  }
  if (config.scale_factor != 1.0) {
    return absl::StrCat("scale_factor ", config.scale_factor);
  }
  if (config.num_moe_contract_layers > 0) {
    return absl::StrCat("num_moe_contract_layers ",
                        config.num_moe_contract_layers);
  }
  if (config.use_attn_moe) return "use_attn_moe";
  if (config.add_rescale_bias) return "add_rescale_bias";
  if (config.decoder.attention_bias) return "attention_bias";
  if (config.decoder.mlp_bias) return "mlp_bias";
  return "";
}

bool IsPlainMixtral(const MoeConfig& config) {
  return config.config_style == CheckpointForm::OWN &&
         FindBeyondMixtral(config).empty();
}

absl::string_view ModelTypeOf(const MoeConfig& config) {
  return config.config_style == CheckpointForm::PUBLISHED ||
                 IsPlainMixtral(config)
             ? kMixtralModelType
             : kOwnModelType;
}

bool IsMoeModelType(absl::string_view model_type) {
  return model_type == kOwnModelType || model_type == kMixtralModelType;
}

absl::StatusOr<MoeConfig> ParseMoeConfig(absl::string_view text) {
  MOE_ASSIGN_OR_RETURN(base::Json document, base::ParseJsonObject(text));
  const base::Json* const window = base::FindField(document, "sliding_window");
  if (window != nullptr) {
    return absl::UnimplementedError(
        absl::StrCat("sliding_window: expected null, as attention over a "
                     "window is not supported, found ",
                     window->dump()));
  }
  MoeConfig config;
  MOE_ASSIGN_OR_RETURN(config.config_style, ParseStyle(document));
  const bool is_plain = IsPlainMixtralDocument(document);
  if (is_plain) SetMixtralDefaults(document);
  MOE_RETURN_IF_ERROR(ParseMlp(document, config));
  MOE_RETURN_IF_ERROR(ParseAttention(document, config));
  MOE_ASSIGN_OR_RETURN(
      config.num_moe_contract_layers,
      base::GetOr<int64_t>(document, "num_moe_contract_layers", 0));
  MOE_ASSIGN_OR_RETURN(config.add_rescale_bias,
                       base::GetOr(document, "add_rescale_bias", false));
  MOE_ASSIGN_OR_RETURN(const std::optional<int64_t> dense_size,
                       ParseDenseSize(document, is_plain));
  MOE_ASSIGN_OR_RETURN(config.decoder, ParseDecoderConfig(std::move(document)));
  config.expert_intermediate_size = config.decoder.intermediate_size;
  MOE_RETURN_IF_ERROR(CheckNumExperts(config));
  config.decoder.intermediate_size =
      dense_size.has_value()
          ? *dense_size
          : config.num_local_experts * config.expert_intermediate_size;
  MOE_RETURN_IF_ERROR(ValidateMoeConfig(config));
  if (is_plain && !IsPlainMixtral(config)) {
    return absl::UnimplementedError(absl::StrCat(
        "expected only what Mixtral computes, as model_type is \"mixtral\" and "
        "there is no moe_type, found ",
        FindBeyondMixtral(config)));
  }
  return config;
}

base::Json DocumentWithoutOwnFields(const MoeConfig& config) {
  MOE_CHECK(ValidateMoeConfig(config).ok());
  base::Json document = config.decoder.document;
  RemovePathFields(document);
  document.erase(kNameOrPathField);
  for (const absl::string_view field : absl::StrSplit(kOwnFields, ' ')) {
    document.erase(std::string(field));
  }
  document["architectures"] = {"MixtralForCausalLM"};
  KeepTokenizerCode(config.decoder.document, document);
  document["model_type"] = std::string(kMixtralModelType);
  SetResolvedDefaults(config.decoder, document);
  document.erase("mlp_bias");
  document["num_local_experts"] = config.num_local_experts;
  document["num_experts_per_tok"] = config.num_experts_per_tok;
  document["intermediate_size"] = config.num_local_experts > 0
                                      ? config.expert_intermediate_size
                                      : config.decoder.intermediate_size;
  document["router_aux_loss_coef"] = config.router_aux_loss_coef;
  document["sliding_window"] = nullptr;
  return document;
}

std::string FormatMoeConfig(const MoeConfig& config) {
  base::Json document = DocumentWithoutOwnFields(config);
  if (IsPlainMixtral(config)) {
    document.erase("attention_bias");
    return base::FormatJson(document);
  }
  document["model_type"] = std::string(ModelTypeOf(config));
  SetClasses(config, document);
  document["mlp_bias"] = config.decoder.mlp_bias;
  document["dense_intermediate_size"] = config.decoder.intermediate_size;
  if (config.intermediate_size_residual.has_value()) {
    document["intermediate_size_residual"] = *config.intermediate_size_residual;
  } else if (config.config_style == CheckpointForm::PUBLISHED) {
    // The published alignment reads the field of every checkpoint.
    document["intermediate_size_residual"] = nullptr;
  }
  document["scale_factor"] = config.scale_factor;
  document["moe_type"] = std::string(kMoeType);
  document["num_moe_contract_layers"] = config.num_moe_contract_layers;
  document["use_attn_moe"] = config.use_attn_moe;
  document["top_k_attn"] = config.top_k_attn;
  document["attn_experts"] = config.attn_experts;
  document["scale_factor_attn"] = config.scale_factor_attn;
  document["add_rescale_bias"] = config.add_rescale_bias;
  return base::FormatJson(document);
}

}  // namespace moe::checkpoint
