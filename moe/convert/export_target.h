// What the targets of an export share. For ExportCheckpoint only.

#ifndef MOE_CONVERT_EXPORT_TARGET_H_
#define MOE_CONVERT_EXPORT_TARGET_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/base/json.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/convert/conversion_plan.h"
#include "moe/convert/piece_stream.h"

namespace moe::convert::internal {

// What is exported. `config` is from's.
struct Exported {
  const checkpoint::Checkpoint& from;
  const checkpoint::MoeConfig& config;
  // The lists of a plan's RowsPieces, which live as long as the plan.
  std::vector<int64_t> query_rows;
  std::vector<int64_t> key_rows;
};

// What a target cannot hold: "a residual expert (intermediate_size_residual
// 288)". Nothing where it holds the checkpoint.
using Refusal = std::optional<std::string>;

// What more than one target refuses. A head_dim is refused if it is not
// hidden_size / num_attention_heads.
Refusal RefuseNoResidualExpert(const checkpoint::MoeConfig& config);
Refusal RefuseContractLayers(const checkpoint::MoeConfig& config);
Refusal RefuseAttentionBias(const checkpoint::MoeConfig& config);
Refusal RefuseHeadDim(const checkpoint::MoeConfig& config);

// The whole tensor times a factor.
TensorPiece ScaledBy(double factor, const checkpoint::TensorLocation& from);

// "model.layers.3.mlp.gate.weight"
std::string LayerName(int64_t layer, absl::string_view part);

// The tensor under another name, with the data of `piece`.
Replacement Renamed(const checkpoint::TensorLocation& from, std::string name,
                    TensorPiece piece);

// Experts as transformers' younger models name them: mlp.gate, mlp.experts.E.
// and mlp.SHARED., each with gate_proj, up_proj and down_proj. The down_proj of
// routed experts are times scale_factor, those of the shared one times
// `shared_factor`. Dense layers and everything else as LLaMA has them.
Replacement ConvertToProjections(const Exported& exported,
                                 const checkpoint::TensorName& name,
                                 const checkpoint::TensorLocation& from,
                                 absl::string_view shared,
                                 double shared_factor);

// config.json of such a model, but for the fields of its experts. Those of
// Mixtral's experts are not in it; intermediate_size is that of dense layers.
base::Json ProjectionsDocument(const Exported& exported,
                               absl::string_view model_class,
                               absl::string_view model_type);

Refusal RefuseMixtral(const checkpoint::MoeConfig& config);
Refusal RefuseGranite(const checkpoint::MoeConfig& config);
Refusal RefuseErnie(const checkpoint::MoeConfig& config);
Refusal RefuseQwen2(const checkpoint::MoeConfig& config);

// For what the target does not refuse. InvalidArgument for tensors that it
// cannot hold.
absl::StatusOr<ConversionPlan> PlanMixtral(Exported& exported);
absl::StatusOr<ConversionPlan> PlanGranite(Exported& exported);
absl::StatusOr<ConversionPlan> PlanErnie(Exported& exported);
absl::StatusOr<ConversionPlan> PlanQwen2(Exported& exported);

}  // namespace moe::convert::internal

#endif  // MOE_CONVERT_EXPORT_TARGET_H_
