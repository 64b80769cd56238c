#include "moe/convert/convert_attention.h"

#include <cstdint>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/convert/attention_options.pb.h"
#include "moe/convert/conversion_options.h"
#include "moe/convert/conversion_plan.h"
#include "moe/convert/expert_bias.h"
#include "moe/convert/piece_stream.h"
#include "moe/convert/router_weights.h"
#include "moe/convert/tensor_piece.h"

namespace moe {
namespace {

bool IsAttention(TensorKind kind) {
  return kind == TensorKind::kQuery || kind == TensorKind::kKey ||
         kind == TensorKind::kValue || kind == TensorKind::kOutput;
}

TensorSpec RouterSpec(const MoeConfig& config, int64_t layer, Dtype dtype) {
  return {FormatTensorName({TensorKind::kAttentionRouter, layer, /*expert=*/-1,
                            /*is_bias=*/false}),
          dtype,
          {config.attn_experts, config.decoder.hidden_size}};
}

// The numbers [begin, begin + count).
std::vector<int64_t> Range(int64_t begin, int64_t count) {
  std::vector<int64_t> range(static_cast<size_t>(count));
  std::iota(range.begin(), range.end(), begin);
  return range;
}

class AttentionConverter {
 public:
  // Both must outlive the converter, and it the plan that it makes.
  AttentionConverter(const MoeConfig& config, const RouterSource& routers);

  absl::StatusOr<Replacement> Convert(const TensorName& name,
                                      const TensorLocation& from) const;

 private:
  Replacement Slices(const TensorName& name, const TensorLocation& from) const;
  absl::StatusOr<Replacement> OutputBiases(const TensorName& name,
                                           const TensorLocation& from) const;

  const MoeConfig& config_;
  const RouterSource& routers_;
  // Of each expert: the features of its query heads, and of its KV head.
  std::vector<std::vector<int64_t>> query_features_;
  std::vector<std::vector<int64_t>> key_features_;
};

AttentionConverter::AttentionConverter(const MoeConfig& config,
                                       const RouterSource& routers)
    : config_(config), routers_(routers) {
  const LlamaConfig& decoder = config.decoder;
  const int64_t query_size = decoder.QuerySize() / config.attn_experts;
  const int64_t split = config.attn_experts / decoder.num_key_value_heads;
  for (int64_t e = 0; e < config.attn_experts; ++e) {
    query_features_.push_back(Range(e * query_size, query_size));
    key_features_.push_back(
        Range(e / split * decoder.head_dim, decoder.head_dim));
  }
}

Replacement AttentionConverter::Slices(const TensorName& name,
                                       const TensorLocation& from) const {
  const TensorSpec& spec = from.tensor->spec;
  const bool is_key_or_value =
      name.kind == TensorKind::kKey || name.kind == TensorKind::kValue;
  const auto& features = is_key_or_value ? key_features_ : query_features_;
  const size_t axis = name.kind == TensorKind::kOutput ? 1 : 0;
  Replacement group;
  if (name.kind == TensorKind::kQuery && !name.is_bias) {
    const TensorSpec router =
        RouterSpec(config_, name.layer, RouterDtypeOf(routers_, spec.dtype));
    group = {{router}, {RouterPiece(routers_, name.layer, router)}};
  }
  for (int64_t e = 0; e < config_.attn_experts; ++e) {
    Shape shape = spec.shape;
    shape[axis] = static_cast<int64_t>(features[static_cast<size_t>(e)].size());
    group.tensors.push_back(
        {FormatTensorName({name.kind, name.layer, e, name.is_bias}), spec.dtype,
         std::move(shape)});
  }
  const std::vector<absl::Span<const int64_t>> lists(features.begin(),
                                                     features.end());
  if (axis == 1) {
    group.pieces.push_back(ColumnsPiece{from, lists});
  } else {
    group.pieces.push_back(RowsPiece{from, lists});
  }
  return group;
}

absl::StatusOr<Replacement> AttentionConverter::OutputBiases(
    const TensorName& name, const TensorLocation& from) const {
  MOE_ASSIGN_OR_RETURN(
      std::string share,
      DivideBias(from, config_.scale_factor_attn, "scale_factor_attn"));
  const GeneratedPiece piece = PieceOf(std::move(share));
  Replacement group;
  for (int64_t e = 0; e < config_.attn_experts; ++e) {
    group.Add({{{FormatTensorName({name.kind, name.layer, e, true}),
                 from.tensor->spec.dtype, from.tensor->spec.shape}},
               {piece}});
  }
  return group;
}

// What the MLP of a dense model is called in one with experts elsewhere.
TensorKind NameInMoe(TensorKind kind) {
  if (kind == TensorKind::kMlpGate) return TensorKind::kContractGate;
  if (kind == TensorKind::kMlpUp) return TensorKind::kContractUp;
  if (kind == TensorKind::kMlpDown) return TensorKind::kContractDown;
  return kind;
}

absl::StatusOr<Replacement> AttentionConverter::Convert(
    const TensorName& name, const TensorLocation& from) const {
  if (!IsAttention(name.kind) || config_.IsContractLayer(name.layer)) {
    TensorName target = name;
    target.kind = NameInMoe(name.kind);
    return CopyAs(target, from);
  }
  if (name.kind == TensorKind::kOutput && name.is_bias) {
    return OutputBiases(name, from);
  }
  return Slices(name, from);
}

absl::Status CheckConvertible(const Checkpoint& from) {
  const MoeConfig* const moe = from.moe_config();
  if (moe == nullptr) return absl::OkStatus();
  if (moe->use_attn_moe) {
    return absl::InvalidArgumentError(absl::StrCat(
        from.directory(), " has attention experts already (attn_experts ",
        moe->attn_experts, "); wanted is a checkpoint with dense attention"));
  }
  if (!moe->add_rescale_bias) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      from.directory(),
      " has been aligned with dense attention (add_rescale_bias); convert the "
      "attention of the checkpoint before alignment, and align the result"));
}

absl::StatusOr<MoeConfig> ConfigOf(const Checkpoint& from,
                                   const AttentionConversionOptions& options) {
  MoeConfig config;
  if (from.moe_config() != nullptr) {
    config = *from.moe_config();
    if (options.has_num_moe_contract_layers() &&
        options.num_moe_contract_layers() != config.num_moe_contract_layers) {
      return absl::InvalidArgumentError(absl::StrCat(
          "num_moe_contract_layers is ", options.num_moe_contract_layers(),
          ", and ", from.directory(), " has ", config.num_moe_contract_layers,
          "; leave it out"));
    }
  } else {
    config.decoder = *from.dense_config();
    config.num_moe_contract_layers = options.num_moe_contract_layers();
  }
  if (options.has_config_style()) config.config_style = options.config_style();
  config.use_attn_moe = true;
  config.top_k_attn = options.top_k_attn();
  config.scale_factor_attn = options.scale_factor_attn();
  const int64_t split = options.attn_split();
  const LlamaConfig& decoder = config.decoder;
  const int64_t heads_per_group =
      decoder.num_attention_heads / decoder.num_key_value_heads;
  if (heads_per_group % split != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "attn_split is ", split, ", which does not divide the ",
        heads_per_group, " query heads of a KV head (num_attention_heads ",
        decoder.num_attention_heads, ", num_key_value_heads ",
        decoder.num_key_value_heads, ")"));
  }
  config.attn_experts = decoder.num_key_value_heads * split;
  MOE_RETURN_IF_ERROR(ValidateMoeConfig(config));
  return config;
}

absl::Status CheckGates(const Checkpoint& from, const MoeConfig& config,
                        const AttentionArtifacts& artifacts,
                        const RouterSource& routers) {
  if (artifacts.gate_weights == nullptr) return absl::OkStatus();
  const LlamaConfig& decoder = config.decoder;
  const std::string& path = artifacts.gate_weights_path;
  MOE_RETURN_IF_ERROR(ValidateGateWeights(
      *artifacts.gate_weights,
      {decoder.num_hidden_layers, config.attn_experts, decoder.hidden_size},
      path));
  for (int64_t i = 0; i < decoder.num_hidden_layers; ++i) {
    if (config.IsContractLayer(i)) continue;
    const TensorLocation query = from.tensors().Find(
        FormatTensorName({TensorKind::kQuery, i, /*expert=*/-1, false}));
    MOE_RETURN_IF_ERROR(Annotate(
        CheckRouterFits(
            *artifacts.gate_weights, i,
            RouterSpec(config, i,
                       RouterDtypeOf(routers, query.tensor->spec.dtype))),
        path));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<AttentionConversion> ConvertAttention(
    const Checkpoint& from, const AttentionConversionOptions& options,
    const AttentionArtifacts& artifacts, const ConversionOutput& output,
    const ConversionResources& resources) {
  MOE_RETURN_IF_ERROR(ValidateAttentionConversionOptions(options));
  MOE_RETURN_IF_ERROR(CheckConvertible(from));
  AttentionConversion conversion;
  MOE_ASSIGN_OR_RETURN(conversion.config, ConfigOf(from, options));
  conversion.has_random_routers = artifacts.gate_weights == nullptr;
  const RouterSource routers = {
      artifacts.gate_weights, static_cast<uint64_t>(options.seed()),
      "convert_mixtral_attn_moe", options.router_dtype()};
  MOE_RETURN_IF_ERROR(CheckGates(from, conversion.config, artifacts, routers));
  const AttentionConverter converter(conversion.config, routers);
  MOE_ASSIGN_OR_RETURN(
      ConversionPlan plan,
      PlanMoeConversion(
          from, conversion.config,
          [&](const TensorName& name, const TensorLocation& location) {
            return converter.Convert(name, location);
          }));
  MOE_ASSIGN_OR_RETURN(
      conversion.written,
      WriteConversion(std::move(plan), from, output, resources));
  return conversion;
}

}  // namespace moe
