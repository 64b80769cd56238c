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
#include "moe/base/option_checks.h"
#include "moe/base/options/options.h"
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
#include "moe/convert/conversion_plan.h"
#include "moe/convert/new_weights.h"
#include "moe/convert/piece_stream.h"

namespace moe::convert {
namespace {

bool IsAttention(checkpoint::TensorKind kind) {
  return kind == checkpoint::TensorKind::kQuery ||
         kind == checkpoint::TensorKind::kKey ||
         kind == checkpoint::TensorKind::kValue ||
         kind == checkpoint::TensorKind::kOutput;
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
  AttentionConverter(const checkpoint::MoeConfig& config,
                     const RouterSource& routers);

  absl::StatusOr<Replacement> Convert(
      const checkpoint::TensorName& name,
      const checkpoint::TensorLocation& from) const;

 private:
  // The names of what the dense tensor becomes, expert by expert.
  std::vector<checkpoint::TensorName> Names(
      const checkpoint::TensorName& name) const;
  Replacement Slices(const checkpoint::TensorName& name,
                     const checkpoint::TensorLocation& from) const;
  absl::StatusOr<Replacement> OutputBiases(
      const checkpoint::TensorName& name,
      const checkpoint::TensorLocation& from) const;

  const checkpoint::MoeConfig& config_;
  const RouterSource& routers_;
  // For each expert, the features of its query heads and of its KV head.
  std::vector<std::vector<int64_t>> query_features_;
  std::vector<std::vector<int64_t>> key_features_;
};

AttentionConverter::AttentionConverter(const checkpoint::MoeConfig& config,
                                       const RouterSource& routers)
    : config_(config), routers_(routers) {
  const checkpoint::LlamaConfig& decoder = config.decoder;
  const int64_t query_size = decoder.QuerySize() / config.attn_experts;
  const int64_t split = config.attn_experts / decoder.num_key_value_heads;
  for (int64_t e = 0; e < config.attn_experts; ++e) {
    query_features_.push_back(Range(e * query_size, query_size));
    key_features_.push_back(
        Range(e / split * decoder.head_dim, decoder.head_dim));
  }
}

std::vector<checkpoint::TensorName> AttentionConverter::Names(
    const checkpoint::TensorName& name) const {
  std::vector<checkpoint::TensorName> names;
  for (int64_t e = 0; e < config_.attn_experts; ++e) {
    names.push_back({name.kind, name.layer, e, name.is_bias});
  }
  return names;
}

Replacement AttentionConverter::Slices(
    const checkpoint::TensorName& name,
    const checkpoint::TensorLocation& from) const {
  const bool is_key_or_value = name.kind == checkpoint::TensorKind::kKey ||
                               name.kind == checkpoint::TensorKind::kValue;
  const auto& features = is_key_or_value ? key_features_ : query_features_;
  Replacement group;
  if (name.kind == checkpoint::TensorKind::kQuery && !name.is_bias) {
    group = RouterOf(routers_, name.layer, from.tensor->spec.dtype);
  }
  group.Add(Slice(from, name.kind == checkpoint::TensorKind::kOutput ? 1 : 0,
                  Names(name), {features.begin(), features.end()}));
  return group;
}

absl::StatusOr<Replacement> AttentionConverter::OutputBiases(
    const checkpoint::TensorName& name,
    const checkpoint::TensorLocation& from) const {
  MOE_ASSIGN_OR_RETURN(
      std::string share,
      DivideBias(from, config_.scale_factor_attn, "scale_factor_attn"));
  return Repeat(from, Names(name), PieceOf(std::move(share)));
}

// What the MLP of a dense model is called in one with experts elsewhere.
checkpoint::TensorKind NameInMoe(checkpoint::TensorKind kind) {
  if (kind == checkpoint::TensorKind::kMlpGate)
    return checkpoint::TensorKind::kContractGate;
  if (kind == checkpoint::TensorKind::kMlpUp)
    return checkpoint::TensorKind::kContractUp;
  if (kind == checkpoint::TensorKind::kMlpDown)
    return checkpoint::TensorKind::kContractDown;
  return kind;
}

absl::StatusOr<Replacement> AttentionConverter::Convert(
    const checkpoint::TensorName& name,
    const checkpoint::TensorLocation& from) const {
  if (!IsAttention(name.kind) || config_.IsContractLayer(name.layer)) {
    checkpoint::TensorName target = name;
    target.kind = NameInMoe(name.kind);
    return CopyAs(target, from);
  }
  if (name.kind == checkpoint::TensorKind::kOutput && name.is_bias) {
    return OutputBiases(name, from);
  }
  return Slices(name, from);
}

absl::Status CheckConvertible(const checkpoint::Checkpoint& from) {
  const checkpoint::MoeConfig* const moe = from.moe_config();
  if (moe == nullptr) return absl::OkStatus();
  if (moe->use_attn_moe) {
    return absl::InvalidArgumentError(
        absl::StrCat(from.directory(), ": expected dense attention, found ",
                     moe->attn_experts,
                     " attention experts; convert the checkpoint from before"));
  }
  if (!moe->add_rescale_bias) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      from.directory(),
      ": expected a checkpoint that is not aligned, found one that was aligned "
      "with dense attention (add_rescale_bias); convert the attention of the "
      "checkpoint from before, and align the result"));
}

absl::StatusOr<checkpoint::MoeConfig> ConfigOf(
    const checkpoint::Checkpoint& from,
    const AttentionConversionOptions& options) {
  checkpoint::MoeConfig config;
  if (from.moe_config() != nullptr) {
    config = *from.moe_config();
    if (options.has_num_moe_contract_layers() &&
        options.num_moe_contract_layers() != config.num_moe_contract_layers) {
      return absl::InvalidArgumentError(absl::StrCat(
          "num_moe_contract_layers: expected ", config.num_moe_contract_layers,
          ", as ", from.directory(), " has, found ",
          options.num_moe_contract_layers(), "; leave it out"));
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
  const checkpoint::LlamaConfig& decoder = config.decoder;
  const int64_t heads_per_group =
      decoder.num_attention_heads / decoder.num_key_value_heads;
  if (heads_per_group % split != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("attn_split: expected a divisor of ", heads_per_group,
                     ", the query heads of a KV head (num_attention_heads ",
                     decoder.num_attention_heads, ", num_key_value_heads ",
                     decoder.num_key_value_heads, "), found ", split));
  }
  config.attn_experts = decoder.num_key_value_heads * split;
  MOE_RETURN_IF_ERROR(checkpoint::ValidateMoeConfig(config));
  return config;
}

absl::Status CheckGates(const checkpoint::Checkpoint& from,
                        const checkpoint::MoeConfig& config,
                        const std::string& path, const RouterSource& routers) {
  if (routers.gate_weights == nullptr) return absl::OkStatus();
  MOE_RETURN_IF_ERROR(checkpoint::ValidateGateWeights(
      *routers.gate_weights,
      {config.decoder.num_hidden_layers, routers.num_experts,
       routers.hidden_size},
      path));
  return CheckRoutersFit(routers, from, config, checkpoint::TensorKind::kQuery,
                         path);
}

}  // namespace

absl::Status ValidateAttentionConversionOptions(
    const AttentionConversionOptions& options) {
  MOE_RETURN_IF_ERROR(base::CheckOptions(options));
  const int64_t split = options.attn_split();
  return base::CheckField((split & (split - 1)) == 0, "attn_split", split,
                          "1, 2, 4, 8, ...");
}

absl::StatusOr<AttentionConversion> ConvertAttention(
    const checkpoint::Checkpoint& from,
    const AttentionConversionOptions& options,
    const AttentionArtifacts& artifacts, const ConversionOutput& output,
    const ConversionResources& resources) {
  MOE_RETURN_IF_ERROR(ValidateAttentionConversionOptions(options));
  MOE_RETURN_IF_ERROR(CheckConvertible(from));
  AttentionConversion conversion;
  MOE_ASSIGN_OR_RETURN(conversion.config, ConfigOf(from, options));
  conversion.has_random_routers = artifacts.gate_weights == nullptr;
  const RouterSource routers = {artifacts.gate_weights,
                                static_cast<uint64_t>(options.seed()),
                                "convert_mixtral_attn_moe",
                                options.router_dtype(),
                                checkpoint::TensorKind::kAttentionRouter,
                                conversion.config.attn_experts,
                                conversion.config.decoder.hidden_size};
  MOE_RETURN_IF_ERROR(CheckGates(from, conversion.config,
                                 artifacts.gate_weights_path, routers));
  const AttentionConverter converter(conversion.config, routers);
  MOE_ASSIGN_OR_RETURN(
      ConversionPlan plan,
      PlanMoeConversion(from, conversion.config,
                        [&](const checkpoint::TensorName& name,
                            const checkpoint::TensorLocation& location) {
                          return converter.Convert(name, location);
                        }));
  MOE_ASSIGN_OR_RETURN(
      conversion.written,
      WriteConversion(std::move(plan), from, output, resources));
  return conversion;
}

}  // namespace moe::convert
