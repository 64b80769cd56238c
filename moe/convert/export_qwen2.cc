#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "moe/base/json.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/convert/conversion_plan.h"
#include "moe/convert/export_target.h"
#include "moe/convert/piece_stream.h"

namespace moe::convert::internal {
namespace {

base::Json Qwen2Document(const Exported& exported) {
  const checkpoint::MoeConfig& config = exported.config;
  base::Json document =
      ProjectionsDocument(exported, "Qwen2MoeForCausalLM", "qwen2_moe");
  document["num_experts"] = config.num_local_experts;
  document["norm_topk_prob"] = true;
  document["shared_expert_intermediate_size"] =
      *config.intermediate_size_residual;
  document["decoder_sparse_step"] = 1;
  document["mlp_only_layers"] = base::Json::array();
  for (int64_t i = 0; i < config.decoder.num_hidden_layers; ++i) {
    if (config.IsContractLayer(i)) document["mlp_only_layers"].push_back(i);
  }
  document["qkv_bias"] = false;
  document["use_sliding_window"] = false;
  return document;
}

// A router and the gate of the shared expert. Qwen2 multiplies the shared
// expert's output by the sigmoid of the gate, which 0 makes 1/2.
Replacement RouterWithSharedGate(const Exported& exported,
                                 const checkpoint::TensorName& name,
                                 Replacement router) {
  const checkpoint::Dtype dtype = router.tensors.front().dtype;
  const int64_t hidden_size = exported.config.decoder.hidden_size;
  router.Add(
      {{{LayerName(name.layer, "mlp.shared_expert_gate"),
         dtype,
         {1, hidden_size}}},
       {PieceOf(std::string(
           static_cast<size_t>(hidden_size * checkpoint::DtypeSize(dtype)),
           '\0'))}});
  return router;
}

}  // namespace

Refusal RefuseQwen2(const checkpoint::MoeConfig& config) {
  if (Refusal refusal = RefuseNoResidualExpert(config)) return refusal;
  if (Refusal refusal = RefuseAttentionBias(config)) return refusal;
  return RefuseHeadDim(config);
}

absl::StatusOr<ConversionPlan> PlanQwen2(Exported& exported) {
  return PlanConversion(
      exported.from,
      {{checkpoint::kConfigFile, base::FormatJson(Qwen2Document(exported))}},
      [&](const checkpoint::TensorName& name,
          const checkpoint::TensorLocation& location)
          -> absl::StatusOr<Replacement> {
        Replacement group = ConvertToProjections(exported, name, location,
                                                 "shared_expert", 2.0);
        if (name.kind != checkpoint::TensorKind::kRouter) return group;
        return RouterWithSharedGate(exported, name, std::move(group));
      });
}

}  // namespace moe::convert::internal
