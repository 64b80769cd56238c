#include "moe/checkpoint/llama_config.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/json.h"
#include "moe/base/option_checks.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/dtype.h"

namespace moe::checkpoint {
namespace {

// No LLaMA comes near; products of two sizes stay within 63 bits.
constexpr int64_t kMaxSize = int64_t{1} << 31;

constexpr char kQuantization[] = "quantization_config";

absl::StatusOr<int64_t> GetSizeOr(const base::Json& document,
                                  absl::string_view field,
                                  int64_t default_value) {
  MOE_ASSIGN_OR_RETURN(const int64_t value,
                       base::GetOr<int64_t>(document, field, default_value));
  MOE_RETURN_IF_ERROR(
      base::CheckField(value >= 1 && value <= kMaxSize, field, value,
                       absl::StrCat("a number from 1 to ", kMaxSize)));
  return value;
}

absl::StatusOr<int64_t> GetSize(const base::Json& document,
                                absl::string_view field) {
  MOE_RETURN_IF_ERROR(base::Get<int64_t>(document, field).status());
  return GetSizeOr(document, field, 0);
}

absl::StatusOr<double> GetPositiveOr(const base::Json& document,
                                     absl::string_view field,
                                     double default_value) {
  MOE_ASSIGN_OR_RETURN(const double value,
                       base::GetOr<double>(document, field, default_value));
  // Written so that it is false for NaN; JSON has no infinity, but 1e999 is
  // one.
  MOE_RETURN_IF_ERROR(base::CheckField(value > 0 && value < 1e300, field, value,
                                       "a number above 0"));
  return value;
}

absl::Status ParseSizes(const base::Json& document, LlamaConfig& config) {
  MOE_ASSIGN_OR_RETURN(config.vocab_size, GetSize(document, "vocab_size"));
  MOE_ASSIGN_OR_RETURN(config.hidden_size, GetSize(document, "hidden_size"));
  MOE_ASSIGN_OR_RETURN(config.intermediate_size,
                       GetSize(document, "intermediate_size"));
  MOE_ASSIGN_OR_RETURN(config.num_hidden_layers,
                       GetSize(document, "num_hidden_layers"));
  MOE_ASSIGN_OR_RETURN(config.num_attention_heads,
                       GetSize(document, "num_attention_heads"));
  MOE_ASSIGN_OR_RETURN(
      config.num_key_value_heads,
      GetSizeOr(document, "num_key_value_heads", config.num_attention_heads));
  MOE_ASSIGN_OR_RETURN(config.max_position_embeddings,
                       GetSizeOr(document, "max_position_embeddings", 2048));
  return absl::OkStatus();
}

absl::Status ParseHeads(const base::Json& document, LlamaConfig& config) {
  if (config.num_attention_heads % config.num_key_value_heads != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "num_attention_heads: expected a multiple of "
        "num_key_value_heads, ",
        config.num_key_value_heads, ", found ", config.num_attention_heads));
  }
  if (base::FindField(document, "head_dim") == nullptr &&
      config.hidden_size % config.num_attention_heads != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "hidden_size: expected a multiple of num_attention_heads, ",
        config.num_attention_heads, ", found ", config.hidden_size,
        "; correct it, or give head_dim"));
  }
  MOE_ASSIGN_OR_RETURN(
      config.head_dim,
      GetSizeOr(document, "head_dim",
                config.hidden_size / config.num_attention_heads));
  if (config.head_dim % 2 != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("head_dim: expected an even number, as RoPE rotates pairs "
                     "of features, found ",
                     config.head_dim));
  }
  return absl::OkStatus();
}

absl::StatusOr<RopeType> ParseRopeType(const base::Json& scaling) {
  // Older files say "type".
  MOE_ASSIGN_OR_RETURN(const std::string old_name,
                       base::GetOr<std::string>(scaling, "type", "default"));
  MOE_ASSIGN_OR_RETURN(
      const std::string name,
      base::GetOr<std::string>(scaling, "rope_type", old_name));
  if (name == "default") return RopeType::kDefault;
  if (name == "linear") return RopeType::kLinear;
  if (name == "dynamic") return RopeType::kDynamic;
  if (name == "llama3") return RopeType::kLlama3;
  return absl::UnimplementedError(
      absl::StrCat("rope_type: expected default, linear, dynamic or llama3, "
                   "found \"",
                   name, "\""));
}

absl::Status ParseLlama3Scaling(const base::Json& scaling, RopeConfig& rope) {
  for (const auto& [field, value] :
       {std::pair<const char*, double*>{"low_freq_factor",
                                        &rope.low_freq_factor},
        {"high_freq_factor", &rope.high_freq_factor}}) {
    MOE_RETURN_IF_ERROR(base::Get<double>(scaling, field).status());
    MOE_ASSIGN_OR_RETURN(*value, GetPositiveOr(scaling, field, 0));
  }
  if (rope.high_freq_factor <= rope.low_freq_factor) {
    return absl::InvalidArgumentError(
        absl::StrCat("high_freq_factor: expected more than low_freq_factor, ",
                     rope.low_freq_factor, ", found ", rope.high_freq_factor));
  }
  MOE_ASSIGN_OR_RETURN(rope.original_max_position_embeddings,
                       GetSize(scaling, "original_max_position_embeddings"));
  return absl::OkStatus();
}

absl::Status ParseScaling(const base::Json& scaling, int64_t max_positions,
                          RopeConfig& rope) {
  MOE_ASSIGN_OR_RETURN(rope.type, ParseRopeType(scaling));
  if (rope.type == RopeType::kDefault) return absl::OkStatus();
  MOE_RETURN_IF_ERROR(base::Get<double>(scaling, "factor").status());
  MOE_ASSIGN_OR_RETURN(rope.factor, GetPositiveOr(scaling, "factor", 1));
  if (rope.factor < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("factor: expected 1 or more, found ", rope.factor));
  }
  if (rope.type == RopeType::kLlama3) return ParseLlama3Scaling(scaling, rope);
  if (rope.type == RopeType::kDynamic) {
    MOE_ASSIGN_OR_RETURN(
        rope.original_max_position_embeddings,
        GetSizeOr(scaling, "original_max_position_embeddings", max_positions));
  }
  return absl::OkStatus();
}

absl::StatusOr<RopeConfig> ParseRope(const base::Json& document,
                                     int64_t max_positions) {
  RopeConfig rope;
  MOE_ASSIGN_OR_RETURN(rope.theta,
                       GetPositiveOr(document, "rope_theta", rope.theta));
  if (base::FindField(document, "rope_scaling") != nullptr &&
      base::FindField(document, "rope_parameters") != nullptr) {
    return absl::InvalidArgumentError(
        "expected one of rope_scaling and rope_parameters, found both; keep "
        "the "
        "one that the model was trained with");
  }
  for (const char* field : {"rope_scaling", "rope_parameters"}) {
    const base::Json* const scaling = base::FindField(document, field);
    if (scaling == nullptr) continue;
    if (!scaling->is_object()) {
      return base::internal::WrongType(field, *scaling, "an object");
    }
    absl::StatusOr<double> theta =
        GetPositiveOr(*scaling, "rope_theta", rope.theta);
    if (!theta.ok()) return base::Annotate(theta.status(), field);
    rope.theta = *theta;
    MOE_RETURN_IF_ERROR(
        base::Annotate(ParseScaling(*scaling, max_positions, rope), field));
  }
  return rope;
}

absl::StatusOr<std::optional<Dtype>> ParseTorchDtype(
    const base::Json& document) {
  constexpr std::array<std::pair<absl::string_view, Dtype>, 3> kNames = {{
      {"bfloat16", Dtype::kBF16},
      {"float16", Dtype::kF16},
      {"float32", Dtype::kF32},
  }};
  for (const char* field : {"dtype", "torch_dtype"}) {
    MOE_ASSIGN_OR_RETURN(std::string name,
                         base::GetOr<std::string>(document, field, ""));
    if (name.empty()) continue;
    absl::string_view short_name = name;
    if (absl::StartsWith(short_name, "torch.")) short_name.remove_prefix(6);
    for (const auto& [known, dtype] : kNames) {
      if (known == short_name) return dtype;
    }
    return absl::InvalidArgumentError(
        absl::StrCat(field, ": expected bfloat16, float16 or float32, found \"",
                     name, "\""));
  }
  return std::nullopt;
}

absl::Status CheckActivation(const base::Json& document) {
  MOE_ASSIGN_OR_RETURN(
      const std::string activation,
      base::GetOr<std::string>(document, "hidden_act", "silu"));
  if (activation != "silu") {
    return absl::UnimplementedError(absl::StrCat(
        "hidden_act: expected \"silu\", found \"", activation, "\""));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<LlamaConfig> ParseDecoderConfig(base::Json document) {
  LlamaConfig config;
  MOE_RETURN_IF_ERROR(ParseSizes(document, config));
  MOE_RETURN_IF_ERROR(ParseHeads(document, config));
  MOE_ASSIGN_OR_RETURN(
      config.rms_norm_eps,
      GetPositiveOr(document, "rms_norm_eps", config.rms_norm_eps));
  MOE_ASSIGN_OR_RETURN(config.rope,
                       ParseRope(document, config.max_position_embeddings));
  MOE_ASSIGN_OR_RETURN(config.tie_word_embeddings,
                       base::GetOr(document, "tie_word_embeddings", false));
  MOE_ASSIGN_OR_RETURN(config.attention_bias,
                       base::GetOr(document, "attention_bias", false));
  MOE_ASSIGN_OR_RETURN(config.mlp_bias,
                       base::GetOr(document, "mlp_bias", false));
  MOE_ASSIGN_OR_RETURN(config.dtype, ParseTorchDtype(document));
  MOE_RETURN_IF_ERROR(CheckActivation(document));
  const base::Json* const quantization =
      base::FindField(document, kQuantization);
  if (quantization != nullptr) config.quantization_config = *quantization;
  document.erase(kQuantization);
  config.document = std::move(document);
  return config;
}

absl::StatusOr<LlamaConfig> ParseLlamaConfig(absl::string_view text) {
  MOE_ASSIGN_OR_RETURN(base::Json document, base::ParseJsonObject(text));
  MOE_ASSIGN_OR_RETURN(const std::string model_type,
                       base::Get<std::string>(document, "model_type"));
  for (const absl::string_view exported :
       {"granitemoeshared", "ernie4_5_moe", "qwen2_moe"}) {
    if (model_type != exported) continue;
    return absl::UnimplementedError(
        absl::StrCat("model_type: expected \"llama\", found \"", exported,
                     "\", which other programs read; if this checkpoint was "
                     "exported, use the "
                     "one that it was exported from"));
  }
  if (model_type != "llama") {
    return absl::UnimplementedError(absl::StrCat(
        "model_type: expected \"llama\", found \"", model_type, "\""));
  }
  return ParseDecoderConfig(std::move(document));
}

}  // namespace moe::checkpoint
