#include "moe/convert/conversion_report.h"

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "moe/base/byte_size.h"
#include "moe/base/escape_control.h"
#include "moe/base/json.h"
#include "moe/checkpoint/companion_files.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/convert/conversion_plan.h"
#include "moe/convert/convert_attention.h"
#include "moe/convert/convert_mlp.h"
#include "moe/convert/export_checkpoint.h"

namespace moe::convert {
namespace {

std::string Row(absl::string_view name, absl::string_view value) {
  return absl::StrFormat("  %-19s %s\n", name, value);
}

int64_t NumMoeLayers(const checkpoint::MoeConfig& config) {
  return config.decoder.num_hidden_layers - 2 * config.num_moe_contract_layers;
}

base::Json PathOrNull(const std::string& path) {
  return path.empty() ? base::Json(nullptr) : base::Json(path);
}

void AddLayers(const checkpoint::MoeConfig& config, base::Json& json) {
  json["num_moe_layers"] = NumMoeLayers(config);
  json["num_contract_layers"] = 2 * config.num_moe_contract_layers;
}

void AddRouters(const ConversionSources& sources, bool drawn,
                base::Json& json) {
  json["gate_weights"] = PathOrNull(sources.gate_weights_path);
  json["seed"] = drawn ? base::Json(sources.seed) : base::Json(nullptr);
}

std::string FormatLayers(const checkpoint::MoeConfig& config) {
  const int64_t num_contract = 2 * config.num_moe_contract_layers;
  return Row(
      "layers",
      absl::StrCat(
          NumMoeLayers(config), " with experts",
          num_contract > 0 ? absl::StrCat(", ", num_contract, " dense") : ""));
}

std::string FormatRouters(const ConversionSources& sources, bool drawn) {
  return Row("routers", drawn ? absl::StrCat("drawn, seed ", sources.seed)
                              : sources.gate_weights_path);
}

std::string FormatNeurons(const MlpConversion& conversion,
                          const ConversionSources& sources) {
  const auto count = [](int64_t neurons, absl::string_view what) {
    return neurons > 0 ? absl::StrCat(", ", base::WithCommas(neurons), what)
                       : "";
  };
  return Row("neurons",
             absl::StrCat(sources.neuron_indices_path.empty()
                              ? "sequential"
                              : sources.neuron_indices_path,
                          count(conversion.num_unused_neurons, " unused"),
                          count(conversion.num_shared_neurons, " shared")));
}

}  // namespace

void AddWritten(const WrittenCheckpoint& written, base::Json& json) {
  json["num_shards"] = written.num_shards;
  json["num_tensors"] = written.num_tensors;
  json["total_size"] = written.total_bytes;
  json["left_behind"] = checkpoint::LeftBehindToJson(written.left_behind);
}

std::string FormatWritten(const WrittenCheckpoint& written) {
  std::string text = absl::StrCat(
      Row("tensors",
          absl::StrCat(base::WithCommas(written.num_tensors), " in ",
                       written.num_shards,
                       written.num_shards == 1 ? " file" : " files")),
      Row("size",
          absl::StrCat(base::FormatByteSize(written.total_bytes), " (",
                       base::WithCommas(written.total_bytes), " bytes)")));
  for (const checkpoint::LeftBehind& left : written.left_behind) {
    text += Row("left behind",
                absl::StrCat(base::EscapeControl(left.name), ": ", left.why));
  }
  return text;
}

base::Json MlpConversionToJson(absl::string_view path,
                               const MlpConversion& conversion,
                               const ConversionSources& sources) {
  const checkpoint::MoeConfig& config = conversion.config;
  const auto& residual = config.intermediate_size_residual;
  base::Json json = {
      {"checkpoint", path},
      {"kind", residual.has_value() ? "residual" : "vanilla"},
      {"num_experts", config.num_local_experts},
      {"top_k", config.num_experts_per_tok},
      {"scale_factor", config.scale_factor},
      {"expert_size", config.expert_intermediate_size},
      {"residual_size",
       residual.has_value() ? base::Json(*residual) : base::Json(nullptr)}};
  AddLayers(config, json);
  AddRouters(sources, conversion.has_random_routers, json);
  json["neuron_indices"] = PathOrNull(sources.neuron_indices_path);
  json["num_unused_neurons"] = conversion.num_unused_neurons;
  json["num_shared_neurons"] = conversion.num_shared_neurons;
  AddWritten(conversion.written, json);
  return json;
}

std::string FormatMlpConversion(absl::string_view path,
                                const MlpConversion& conversion,
                                const ConversionSources& sources) {
  const checkpoint::MoeConfig& config = conversion.config;
  const auto& residual = config.intermediate_size_residual;
  std::string text = absl::StrCat(
      path, ": ", residual.has_value() ? "residual" : "vanilla",
      " MoE checkpoint\n",
      Row("MLP experts", absl::StrCat(config.num_local_experts, " of ",
                                      config.expert_intermediate_size, ", top ",
                                      config.num_experts_per_tok,
                                      ", scale factor ", config.scale_factor)));
  if (residual.has_value()) {
    text += Row("residual expert", absl::StrCat("of ", *residual));
  }
  absl::StrAppend(&text, FormatLayers(config),
                  FormatRouters(sources, conversion.has_random_routers),
                  FormatNeurons(conversion, sources),
                  FormatWritten(conversion.written));
  return text;
}

base::Json AttentionConversionToJson(absl::string_view path,
                                     const AttentionConversion& conversion,
                                     const ConversionSources& sources) {
  const checkpoint::MoeConfig& config = conversion.config;
  base::Json json = {{"checkpoint", path},
                     {"attn_experts", config.attn_experts},
                     {"top_k_attn", config.top_k_attn},
                     {"scale_factor_attn", config.scale_factor_attn}};
  AddLayers(config, json);
  AddRouters(sources, conversion.has_random_routers, json);
  AddWritten(conversion.written, json);
  return json;
}

std::string FormatAttentionConversion(absl::string_view path,
                                      const AttentionConversion& conversion,
                                      const ConversionSources& sources) {
  const checkpoint::MoeConfig& config = conversion.config;
  const int64_t heads =
      config.decoder.num_attention_heads / config.attn_experts;
  return absl::StrCat(
      path, ": MoE checkpoint with attention experts\n",
      Row("attention experts",
          absl::StrCat(config.attn_experts, " of ", heads,
                       heads == 1 ? " query head" : " query heads", ", top ",
                       config.top_k_attn, ", scale factor ",
                       config.scale_factor_attn)),
      Row("MLP experts", config.num_local_experts == 0
                             ? "none"
                             : absl::StrCat(config.num_local_experts, " of ",
                                            config.expert_intermediate_size)),
      FormatLayers(config),
      FormatRouters(sources, conversion.has_random_routers),
      FormatWritten(conversion.written));
}

base::Json ExportToJson(absl::string_view path,
                        const ExportedCheckpoint& exported) {
  base::Json json = {
      {"checkpoint", path},
      {"target", exported.target},
      {"scale_factor", exported.scale_factor},
      {"num_scaled_weights", exported.written.scaled.num_scaled},
      {"num_rounded_weights", exported.written.scaled.num_rounded}};
  AddWritten(exported.written, json);
  return json;
}

std::string FormatExport(absl::string_view path,
                         const ExportedCheckpoint& exported) {
  const ScaledCounts& scaled = exported.written.scaled;
  std::string factor = absl::StrCat(exported.scale_factor);
  if (scaled.num_scaled > 0) {
    absl::StrAppend(&factor, ", now in ", base::WithCommas(scaled.num_scaled),
                    " weights, ",
                    scaled.num_rounded == 0
                        ? "exactly"
                        : absl::StrCat(base::WithCommas(scaled.num_rounded),
                                       " of them rounded"));
  }
  std::string refusals;
  for (const std::string& refusal : exported.refusals) {
    absl::StrAppend(&refusals, Row("passed over", refusal));
  }
  return absl::StrCat(path, ": ", exported.target, " checkpoint\n", refusals,
                      Row("scale factor", factor),
                      FormatWritten(exported.written));
}

}  // namespace moe::convert
