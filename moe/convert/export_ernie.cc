#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "moe/base/json.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/convert/conversion_plan.h"
#include "moe/convert/export_target.h"
#include "moe/convert/piece_stream.h"

namespace moe::convert::internal {
namespace {

// ERNIE rotates the neighbours 2j and 2j + 1 of a head, LLaMA j and
// j + head_dim / 2: the rows of q_proj or k_proj in ERNIE's order.
std::vector<int64_t> RowsOfNeighbours(int64_t num_heads, int64_t head_dim) {
  std::vector<int64_t> rows;
  for (int64_t head = 0; head < num_heads; ++head) {
    for (int64_t j = 0; j < head_dim / 2; ++j) {
      rows.push_back(head * head_dim + j);
      rows.push_back(head * head_dim + j + head_dim / 2);
    }
  }
  return rows;
}

base::Json ErnieDocument(const Exported& exported) {
  const checkpoint::MoeConfig& config = exported.config;
  base::Json document =
      ProjectionsDocument(exported, "Ernie4_5_MoeForCausalLM", "ernie4_5_moe");
  document.erase("num_experts_per_tok");
  document["moe_num_experts"] = config.num_local_experts;
  document["moe_k"] = config.num_experts_per_tok;
  document["moe_num_shared_experts"] =
      config.intermediate_size_residual.value_or(0) /
      config.expert_intermediate_size;
  document["moe_layer_start_index"] = config.num_moe_contract_layers;
  document["moe_layer_end_index"] =
      config.decoder.num_hidden_layers - 1 - config.num_moe_contract_layers;
  document["moe_layer_interval"] = 1;
  document["moe_norm_min"] = 1e-12;
  document["use_bias"] = false;
  // ERNIE's is 0, LLaMA's none.
  if (!document.contains("pad_token_id")) document["pad_token_id"] = nullptr;
  return document;
}

// A router and the biases that ERNIE adds to its probabilities, which are 0.
Replacement RouterWithBiases(const Exported& exported,
                             const checkpoint::TensorName& name,
                             Replacement router) {
  const int64_t num_experts = exported.config.num_local_experts;
  router.Add({{{absl::StrCat("model.layers.", name.layer,
                             ".mlp.moe_statics.e_score_correction_bias"),
                checkpoint::Dtype::kF32,
                {1, num_experts}}},
              {PieceOf(std::string(
                  static_cast<size_t>(num_experts) * sizeof(float), '\0'))}});
  return router;
}

Replacement ConvertToErnie(const Exported& exported,
                           const checkpoint::TensorName& name,
                           const checkpoint::TensorLocation& from) {
  Replacement group =
      ConvertToProjections(exported, name, from, "shared_experts", 1.0);
  switch (name.kind) {
    case checkpoint::TensorKind::kQuery:
      group.pieces = {RowsPiece{from, {exported.query_rows}}};
      return group;
    case checkpoint::TensorKind::kKey:
      group.pieces = {RowsPiece{from, {exported.key_rows}}};
      return group;
    case checkpoint::TensorKind::kRouter:
      return RouterWithBiases(exported, name, std::move(group));
    default:
      return group;
  }
}

}  // namespace

Refusal RefuseErnie(const checkpoint::MoeConfig& config) {
  const int64_t residual = config.intermediate_size_residual.value_or(0);
  if (residual % config.expert_intermediate_size != 0) {
    return absl::StrCat("a residual expert of ", residual,
                        " neurons, which is no multiple of an expert's (",
                        config.expert_intermediate_size, ")");
  }
  return RefuseAttentionBias(config);
}

absl::StatusOr<ConversionPlan> PlanErnie(Exported& exported) {
  const checkpoint::LlamaConfig& decoder = exported.config.decoder;
  exported.query_rows =
      RowsOfNeighbours(decoder.num_attention_heads, decoder.head_dim);
  exported.key_rows =
      RowsOfNeighbours(decoder.num_key_value_heads, decoder.head_dim);
  return PlanConversion(
      exported.from,
      {{checkpoint::kConfigFile, base::FormatJson(ErnieDocument(exported))}},
      [&](const checkpoint::TensorName& name,
          const checkpoint::TensorLocation& location)
          -> absl::StatusOr<Replacement> {
        return ConvertToErnie(exported, name, location);
      });
}

}  // namespace moe::convert::internal
