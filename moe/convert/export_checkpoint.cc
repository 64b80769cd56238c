#include "moe/convert/export_checkpoint.h"

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/check.h"
#include "moe/base/float_environment.h"
#include "moe/base/json.h"
#include "moe/base/options/options.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/convert/conversion_plan.h"
#include "moe/convert/export_options.pb.h"
#include "moe/convert/piece_stream.h"

namespace moe::convert {
namespace {

constexpr absl::string_view kLoadAsItIs =
    "load the checkpoint as it is, with trust_remote_code=True";

// InvalidArgument "DIRECTORY: TARGET cannot hold WHAT; INSTEAD".
absl::Status CannotHold(const checkpoint::Checkpoint& from,
                        absl::string_view target, absl::string_view what,
                        absl::string_view instead) {
  return absl::InvalidArgumentError(absl::StrCat(
      from.directory(), ": ", target, " cannot hold ", what, "; ", instead));
}

// An expert's w2 with the scale factor in it.
TensorPiece ScaledBy(double scale_factor,
                     const checkpoint::TensorLocation& from) {
  if (scale_factor == 1.0) return CopyPiece{from};
  return ScaledPiece{from, scale_factor};
}

// InvalidArgument for a scale factor that float32 has as 0 or infinity.
absl::Status CheckScaleFactor(const checkpoint::Checkpoint& from,
                              const checkpoint::MoeConfig& config) {
  const auto factor = static_cast<float>(config.scale_factor);
  if (factor != 0.0f && std::isfinite(factor)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      from.directory(),
      ": scale_factor: expected a number that float32 holds, found ",
      config.scale_factor, ", which is ", factor,
      "; convert with a --scale_factor ",
      factor == 0.0f ? "of 1e-38 or more" : "of 1e38 or less", ", or ",
      kLoadAsItIs));
}

// `config` is from's, and has nothing that no target holds. InvalidArgument for
// what Mixtral cannot hold.
absl::StatusOr<ConversionPlan> PlanMixtral(
    const checkpoint::Checkpoint& from, const checkpoint::MoeConfig& config) {
  if (config.intermediate_size_residual.has_value()) {
    return CannotHold(from, "mixtral",
                      absl::StrCat("a residual expert "
                                   "(intermediate_size_residual ",
                                   *config.intermediate_size_residual, ")"),
                      "use --target=granitemoeshared");
  }
  if (config.decoder.attention_bias) {
    return CannotHold(from, "mixtral",
                      "biases of the attention (attention_bias)", kLoadAsItIs);
  }
  MOE_RETURN_IF_ERROR(CheckScaleFactor(from, config));
  checkpoint::MoeConfig mixtral = config;
  mixtral.scale_factor = 1.0;
  mixtral.config_style = CheckpointForm::OWN;
  MOE_CHECK(checkpoint::IsPlainMixtral(mixtral));
  return PlanConversion(
      from, {{checkpoint::kConfigFile, checkpoint::FormatMoeConfig(mixtral)}},
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

std::string LayerName(int64_t layer, absl::string_view part) {
  return absl::StrCat("model.layers.", layer, ".", part, ".weight");
}

// Tensors of one layer, one after another in the data of a fused one.
class Fusion {
 public:
  Fusion(const checkpoint::Checkpoint& from, int64_t layer)
      : from_(from), layer_(layer) {}

  checkpoint::TensorLocation Find(checkpoint::TensorKind kind,
                                  int64_t expert = -1) const {
    return from_.tensors().Find(checkpoint::FormatTensorName(
        {kind, layer_, expert, /*is_bias=*/false}));
  }
  void Add(TensorPiece piece, const checkpoint::TensorLocation& part) {
    pieces_.push_back(std::move(piece));
    parts_.push_back(part);
  }
  void Add(const checkpoint::TensorLocation& part) {
    Add(CopyPiece{part}, part);
  }

  // InvalidArgument if the parts are of different types.
  absl::StatusOr<Replacement> As(absl::string_view name,
                                 checkpoint::Shape shape) &&;

 private:
  const checkpoint::Checkpoint& from_;
  const int64_t layer_;
  std::vector<TensorPiece> pieces_;
  std::vector<checkpoint::TensorLocation> parts_;
};

absl::StatusOr<Replacement> Fusion::As(absl::string_view name,
                                       checkpoint::Shape shape) && {
  const checkpoint::TensorSpec& first = parts_.front().tensor->spec;
  const std::string fused = LayerName(layer_, name);
  for (const checkpoint::TensorLocation& part : parts_) {
    const checkpoint::TensorSpec& spec = part.tensor->spec;
    if (spec.dtype == first.dtype) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(part.shard->path(), ": tensor \"", spec.name, "\" is ",
                     checkpoint::DtypeName(spec.dtype), ", and \"", first.name,
                     "\" is ", checkpoint::DtypeName(first.dtype),
                     "; granitemoeshared has them in one tensor, \"", fused,
                     "\", of one type; ", kLoadAsItIs));
  }
  return Replacement{{{fused, first.dtype, std::move(shape)}},
                     std::move(pieces_)};
}

class GraniteConverter {
 public:
  GraniteConverter(const checkpoint::Checkpoint& from,
                   const checkpoint::MoeConfig& config)
      : from_(from), config_(config) {}

  // A fused tensor stands in the place of the first of its parts, and nothing
  // in that of the others.
  absl::StatusOr<Replacement> Convert(
      const checkpoint::TensorName& name,
      const checkpoint::TensorLocation& from) const;

 private:
  absl::StatusOr<Replacement> ExpertInputs(int64_t layer) const;
  absl::StatusOr<Replacement> ExpertOutputs(int64_t layer) const;
  absl::StatusOr<Replacement> SharedInputs(int64_t layer) const;

  const checkpoint::Checkpoint& from_;
  const checkpoint::MoeConfig& config_;
};

absl::StatusOr<Replacement> GraniteConverter::ExpertInputs(
    int64_t layer) const {
  Fusion fusion(from_, layer);
  for (int64_t e = 0; e < config_.num_local_experts; ++e) {
    fusion.Add(fusion.Find(checkpoint::TensorKind::kExpertGate, e));
    fusion.Add(fusion.Find(checkpoint::TensorKind::kExpertUp, e));
  }
  return std::move(fusion).As(
      "block_sparse_moe.input_linear",
      {config_.num_local_experts, 2 * config_.expert_intermediate_size,
       config_.decoder.hidden_size});
}

absl::StatusOr<Replacement> GraniteConverter::ExpertOutputs(
    int64_t layer) const {
  Fusion fusion(from_, layer);
  for (int64_t e = 0; e < config_.num_local_experts; ++e) {
    const checkpoint::TensorLocation down =
        fusion.Find(checkpoint::TensorKind::kExpertDown, e);
    fusion.Add(ScaledBy(config_.scale_factor, down), down);
  }
  return std::move(fusion).As(
      "block_sparse_moe.output_linear",
      {config_.num_local_experts, config_.decoder.hidden_size,
       config_.expert_intermediate_size});
}

absl::StatusOr<Replacement> GraniteConverter::SharedInputs(
    int64_t layer) const {
  Fusion fusion(from_, layer);
  fusion.Add(fusion.Find(checkpoint::TensorKind::kResidualGate));
  fusion.Add(fusion.Find(checkpoint::TensorKind::kResidualUp));
  return std::move(fusion).As(
      "shared_mlp.input_linear",
      {2 * *config_.intermediate_size_residual, config_.decoder.hidden_size});
}

Replacement Renamed(const checkpoint::TensorLocation& from, std::string name) {
  return {{{std::move(name), from.tensor->spec.dtype, from.tensor->spec.shape}},
          {CopyPiece{from}}};
}

absl::StatusOr<Replacement> GraniteConverter::Convert(
    const checkpoint::TensorName& name,
    const checkpoint::TensorLocation& from) const {
  switch (name.kind) {
    case checkpoint::TensorKind::kRouter:
      return Renamed(from,
                     LayerName(name.layer, "block_sparse_moe.router.layer"));
    case checkpoint::TensorKind::kExpertGate:
      return name.expert == 0 ? ExpertInputs(name.layer) : Replacement();
    case checkpoint::TensorKind::kExpertUp:
    case checkpoint::TensorKind::kResidualUp:
      return Replacement();
    case checkpoint::TensorKind::kExpertDown:
      return name.expert == 0 ? ExpertOutputs(name.layer) : Replacement();
    case checkpoint::TensorKind::kResidualGate:
      return SharedInputs(name.layer);
    case checkpoint::TensorKind::kResidualDown:
      return Renamed(from, LayerName(name.layer, "shared_mlp.output_linear"));
    default:
      return CopyAs(name, from);
  }
}

base::Json GraniteDocument(const checkpoint::MoeConfig& config) {
  base::Json document = checkpoint::DocumentWithoutOwnFields(config);
  document["architectures"] = {"GraniteMoeSharedForCausalLM"};
  document["model_type"] = "granitemoeshared";
  document["shared_intermediate_size"] = *config.intermediate_size_residual;
  // Square root and quotient are correctly rounded everywhere.
  document["attention_multiplier"] =
      1.0 / std::sqrt(static_cast<double>(config.decoder.head_dim));
  document["embedding_multiplier"] = 1.0;
  document["residual_multiplier"] = 1.0;
  document["logits_scaling"] = 1.0;
  document.erase("sliding_window");
  return document;
}

// The same for GraniteMoeShared.
absl::StatusOr<ConversionPlan> PlanGranite(
    const checkpoint::Checkpoint& from, const checkpoint::MoeConfig& config) {
  if (!config.intermediate_size_residual.has_value()) {
    return CannotHold(from, "granitemoeshared",
                      "a model without a residual expert",
                      "use --target=mixtral");
  }
  const checkpoint::LlamaConfig& decoder = config.decoder;
  if (decoder.QuerySize() != decoder.hidden_size) {
    return CannotHold(
        from, "granitemoeshared",
        absl::StrCat("a head_dim of ", decoder.head_dim,
                     ", which is not hidden_size / num_attention_heads (",
                     decoder.hidden_size, " / ", decoder.num_attention_heads,
                     ")"),
        kLoadAsItIs);
  }
  MOE_RETURN_IF_ERROR(CheckScaleFactor(from, config));
  const GraniteConverter converter(from, config);
  return PlanConversion(
      from,
      {{checkpoint::kConfigFile, base::FormatJson(GraniteDocument(config))}},
      [&](const checkpoint::TensorName& name,
          const checkpoint::TensorLocation& location) {
        return converter.Convert(name, location);
      });
}

struct Limit {
  bool is_exceeded;
  std::string what;
  absl::string_view instead;
};

// What no target holds.
absl::Status CheckExportable(const checkpoint::Checkpoint& from,
                             const checkpoint::MoeConfig& config,
                             absl::string_view target) {
  const Limit limits[] = {
      {config.use_attn_moe,
       absl::StrCat("attention experts (attn_experts ", config.attn_experts,
                    ")"),
       "export the checkpoint from before convert_mixtral_attn_moe, or "},
      {config.num_moe_contract_layers > 0,
       absl::StrCat("contract layers (num_moe_contract_layers ",
                    config.num_moe_contract_layers, ")"),
       "convert with --num_moe_contract_layers=0, or "},
      {config.add_rescale_bias, "biases of an alignment (add_rescale_bias)",
       "align with --alignment_parts=magnitude, or "},
      {config.decoder.mlp_bias, "biases of the MLP (mlp_bias)", ""},
  };
  for (const Limit& limit : limits) {
    if (!limit.is_exceeded) continue;
    return CannotHold(from, target, limit.what,
                      absl::StrCat(limit.instead, kLoadAsItIs));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ExportedCheckpoint> ExportCheckpoint(
    const checkpoint::Checkpoint& from, const ExportOptions& options,
    const ConversionOutput& output, const ConversionResources& resources) {
  // What is computed before there is a plan is under the contract, too.
  base::SetFloatEnvironment();
  MOE_RETURN_IF_ERROR(base::CheckOptions(options));
  const bool is_mixtral = options.target() == ExportOptions::MIXTRAL;
  const checkpoint::MoeConfig* const config = from.moe_config();
  if (config == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(
        from.directory(),
        ": expected what convert_mixtral or convert_mixtral_residual made, "
        "found a dense LLaMA checkpoint; transformers loads it as it is"));
  }
  MOE_RETURN_IF_ERROR(CheckExportable(
      from, *config, is_mixtral ? "mixtral" : "granitemoeshared"));
  MOE_ASSIGN_OR_RETURN(ConversionPlan plan, is_mixtral
                                                ? PlanMixtral(from, *config)
                                                : PlanGranite(from, *config));
  ExportedCheckpoint exported;
  exported.scale_factor = config->scale_factor;
  MOE_ASSIGN_OR_RETURN(exported.written, WriteConversion(std::move(plan), from,
                                                         output, resources));
  return exported;
}

}  // namespace moe::convert
