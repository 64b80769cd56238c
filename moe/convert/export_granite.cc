#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/json.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/convert/conversion_plan.h"
#include "moe/convert/export_target.h"
#include "moe/convert/piece_stream.h"

namespace moe::convert::internal {
namespace {

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
    return absl::InvalidArgumentError(absl::StrCat(
        part.shard->path(), ": tensor \"", spec.name, "\" is ",
        checkpoint::DtypeName(spec.dtype), ", and \"", first.name, "\" is ",
        checkpoint::DtypeName(first.dtype),
        "; granitemoeshared has them in one tensor, \"", fused,
        "\", of one type; use --target=ernie4_5_moe or qwen2_moe"));
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

absl::StatusOr<Replacement> GraniteConverter::Convert(
    const checkpoint::TensorName& name,
    const checkpoint::TensorLocation& from) const {
  switch (name.kind) {
    case checkpoint::TensorKind::kRouter:
      return Renamed(from,
                     LayerName(name.layer, "block_sparse_moe.router.layer"),
                     CopyPiece{from});
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
      return Renamed(from, LayerName(name.layer, "shared_mlp.output_linear"),
                     CopyPiece{from});
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

}  // namespace

Refusal RefuseGranite(const checkpoint::MoeConfig& config) {
  if (Refusal refusal = RefuseNoResidualExpert(config)) return refusal;
  if (Refusal refusal = RefuseContractLayers(config)) return refusal;
  return RefuseHeadDim(config);
}

absl::StatusOr<ConversionPlan> PlanGranite(Exported& exported) {
  const checkpoint::MoeConfig& config = exported.config;
  const GraniteConverter converter(exported.from, config);
  return PlanConversion(
      exported.from,
      {{checkpoint::kConfigFile, base::FormatJson(GraniteDocument(config))}},
      [&](const checkpoint::TensorName& name,
          const checkpoint::TensorLocation& location) {
        return converter.Convert(name, location);
      });
}

}  // namespace moe::convert::internal
