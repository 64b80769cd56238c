#include "moe/convert/export_target.h"

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/json.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/convert/conversion_plan.h"
#include "moe/convert/piece_stream.h"

namespace moe::convert::internal {

using ::moe::checkpoint::TensorKind;

Refusal RefuseNoResidualExpert(const checkpoint::MoeConfig& config) {
  if (config.intermediate_size_residual.has_value()) return std::nullopt;
  return "a model without a residual expert";
}

Refusal RefuseContractLayers(const checkpoint::MoeConfig& config) {
  if (config.num_moe_contract_layers == 0) return std::nullopt;
  return absl::StrCat("contract layers (num_moe_contract_layers ",
                      config.num_moe_contract_layers, ")");
}

Refusal RefuseAttentionBias(const checkpoint::MoeConfig& config) {
  if (!config.decoder.attention_bias) return std::nullopt;
  return "biases of the attention (attention_bias)";
}

Refusal RefuseHeadDim(const checkpoint::MoeConfig& config) {
  const checkpoint::LlamaConfig& decoder = config.decoder;
  if (decoder.QuerySize() == decoder.hidden_size) return std::nullopt;
  return absl::StrCat("a head_dim of ", decoder.head_dim,
                      ", which is not hidden_size / num_attention_heads (",
                      decoder.hidden_size, " / ", decoder.num_attention_heads,
                      ")");
}

TensorPiece ScaledBy(double factor, const checkpoint::TensorLocation& from) {
  if (factor == 1.0) return CopyPiece{from};
  return ScaledPiece{from, factor};
}

std::string LayerName(int64_t layer, absl::string_view part) {
  return absl::StrCat("model.layers.", layer, ".", part, ".weight");
}

Replacement Renamed(const checkpoint::TensorLocation& from, std::string name,
                    TensorPiece piece) {
  return {{{std::move(name), from.tensor->spec.dtype, from.tensor->spec.shape}},
          {std::move(piece)}};
}

Replacement ConvertToProjections(const Exported& exported,
                                 const checkpoint::TensorName& name,
                                 const checkpoint::TensorLocation& from,
                                 absl::string_view shared,
                                 double shared_factor) {
  const auto as = [&](absl::string_view owner, absl::string_view projection,
                      double factor = 1.0) {
    return Renamed(
        from, LayerName(name.layer, absl::StrCat("mlp.", owner, projection)),
        ScaledBy(factor, from));
  };
  const std::string expert = absl::StrCat("experts.", name.expert, ".");
  const std::string residual = absl::StrCat(shared, ".");
  switch (name.kind) {
    case TensorKind::kRouter:
      return as("", "gate");
    case TensorKind::kExpertGate:
      return as(expert, "gate_proj");
    case TensorKind::kExpertUp:
      return as(expert, "up_proj");
    case TensorKind::kExpertDown:
      return as(expert, "down_proj", exported.config.scale_factor);
    case TensorKind::kResidualGate:
      return as(residual, "gate_proj");
    case TensorKind::kResidualUp:
      return as(residual, "up_proj");
    case TensorKind::kResidualDown:
      return as(residual, "down_proj", shared_factor);
    case TensorKind::kContractGate:
      return as("", "gate_proj");
    case TensorKind::kContractUp:
      return as("", "up_proj");
    case TensorKind::kContractDown:
      return as("", "down_proj");
    default:
      return CopyAs(name, from);
  }
}

base::Json ProjectionsDocument(const Exported& exported,
                               absl::string_view model_class,
                               absl::string_view model_type) {
  base::Json document = checkpoint::DocumentWithoutOwnFields(exported.config);
  document["architectures"] = {std::string(model_class)};
  document["model_type"] = std::string(model_type);
  document["intermediate_size"] = exported.config.decoder.intermediate_size;
  document["moe_intermediate_size"] = exported.config.expert_intermediate_size;
  for (const char* const field :
       {"num_local_experts", "attention_bias", "sliding_window"}) {
    document.erase(field);
  }
  return document;
}

}  // namespace moe::convert::internal
