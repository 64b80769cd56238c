#include "moe/convert/convert_mlp.h"

#include <cstdint>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/matrix.h"
#include "moe/base/option_checks.h"
#include "moe/base/options/options.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/convert/conversion_plan.h"
#include "moe/convert/mlp_options.pb.h"
#include "moe/convert/new_weights.h"
#include "moe/convert/piece_stream.h"

namespace moe::convert {

absl::StatusOr<checkpoint::NeuronIndices> SplitSequentially(
    const SequentialSplit& split) {
  if (split.intermediate_size % split.num_experts != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("num_experts: expected a divisor of intermediate_size, ",
                     split.intermediate_size, ", found ", split.num_experts,
                     "; choose a divisor, or give neuron indices"));
  }
  checkpoint::LayerNeuronIndices layer;
  layer.experts = base::Matrix<int64_t>(
      split.num_experts, split.intermediate_size / split.num_experts);
  std::iota(layer.experts.values().begin(), layer.experts.values().end(),
            int64_t{0});
  checkpoint::NeuronIndices indices;
  indices.layers.assign(static_cast<size_t>(split.num_layers), layer);
  return indices;
}

NeuronUse CountUse(const checkpoint::LayerNeuronIndices& layer,
                   int64_t intermediate_size) {
  std::vector<int64_t> counts(static_cast<size_t>(intermediate_size));
  const auto count = [&](absl::Span<const int64_t> neurons) {
    for (const int64_t neuron : neurons) ++counts[static_cast<size_t>(neuron)];
  };
  count(layer.experts.values());
  if (layer.residual.has_value()) count(*layer.residual);
  NeuronUse use;
  for (const int64_t c : counts) {
    use.num_unused += c == 0 ? 1 : 0;
    use.num_shared += c > 1 ? 1 : 0;
  }
  return use;
}

namespace {

// What a matrix of the dense MLP becomes.
struct MlpKind {
  checkpoint::TensorKind dense;
  checkpoint::TensorKind contract;
  checkpoint::TensorKind expert;
  checkpoint::TensorKind residual;
};

constexpr MlpKind kMlpKinds[] = {
    {checkpoint::TensorKind::kMlpGate, checkpoint::TensorKind::kContractGate,
     checkpoint::TensorKind::kExpertGate,
     checkpoint::TensorKind::kResidualGate},
    {checkpoint::TensorKind::kMlpUp, checkpoint::TensorKind::kContractUp,
     checkpoint::TensorKind::kExpertUp, checkpoint::TensorKind::kResidualUp},
    {checkpoint::TensorKind::kMlpDown, checkpoint::TensorKind::kContractDown,
     checkpoint::TensorKind::kExpertDown,
     checkpoint::TensorKind::kResidualDown}};

const MlpKind* FindMlpKind(checkpoint::TensorKind dense) {
  for (const MlpKind& kind : kMlpKinds) {
    if (kind.dense == dense) return &kind;
  }
  return nullptr;
}

class MlpConverter {
 public:
  // All must outlive the converter and the plan that it makes.
  MlpConverter(const checkpoint::MoeConfig& config,
               const checkpoint::NeuronIndices& indices,
               const RouterSource& routers)
      : config_(config), indices_(indices), routers_(routers) {}

  absl::StatusOr<Replacement> Convert(
      const checkpoint::TensorName& name,
      const checkpoint::TensorLocation& from) const;

 private:
  Replacement Slices(const MlpKind& kind, const checkpoint::TensorName& name,
                     const checkpoint::TensorLocation& from) const;
  absl::StatusOr<Replacement> OutputBiases(
      const MlpKind& kind, const checkpoint::TensorName& name,
      const checkpoint::TensorLocation& from) const;

  // The neurons of each expert, and of the residual expert.
  std::vector<absl::Span<const int64_t>> Lists(int64_t layer) const;
  // The names of what the dense tensor becomes, in the order of Lists.
  std::vector<checkpoint::TensorName> Names(
      const MlpKind& kind, const checkpoint::TensorName& name) const;

  const checkpoint::MoeConfig& config_;
  const checkpoint::NeuronIndices& indices_;
  const RouterSource& routers_;
};

std::vector<absl::Span<const int64_t>> MlpConverter::Lists(
    int64_t layer) const {
  const checkpoint::LayerNeuronIndices& indices =
      indices_.layers[static_cast<size_t>(layer)];
  std::vector<absl::Span<const int64_t>> lists;
  for (int64_t e = 0; e < indices.experts.rows(); ++e) {
    lists.push_back(indices.experts.Row(e));
  }
  if (indices.residual.has_value()) lists.emplace_back(*indices.residual);
  return lists;
}

std::vector<checkpoint::TensorName> MlpConverter::Names(
    const MlpKind& kind, const checkpoint::TensorName& name) const {
  std::vector<checkpoint::TensorName> names;
  for (int64_t e = 0; e < config_.num_local_experts; ++e) {
    names.push_back({kind.expert, name.layer, e, name.is_bias});
  }
  if (config_.intermediate_size_residual.has_value()) {
    names.push_back({kind.residual, name.layer, -1, name.is_bias});
  }
  return names;
}

Replacement MlpConverter::Slices(const MlpKind& kind,
                                 const checkpoint::TensorName& name,
                                 const checkpoint::TensorLocation& from) const {
  Replacement group;
  if (kind.dense == checkpoint::TensorKind::kMlpGate && !name.is_bias) {
    group = RouterOf(routers_, name.layer, from.tensor->spec.dtype);
  }
  group.Add(Slice(from, kind.dense == checkpoint::TensorKind::kMlpDown ? 1 : 0,
                  Names(kind, name), Lists(name.layer)));
  return group;
}

absl::StatusOr<Replacement> MlpConverter::OutputBiases(
    const MlpKind& kind, const checkpoint::TensorName& name,
    const checkpoint::TensorLocation& from) const {
  std::vector<checkpoint::TensorName> names = Names(kind, name);
  if (config_.intermediate_size_residual.has_value()) {
    const checkpoint::TensorName residual = names.back();
    names.pop_back();
    const auto num_bytes = static_cast<size_t>(NumBytes(from.tensor->spec));
    Replacement group =
        Repeat(from, names, PieceOf(std::string(num_bytes, '\0')));
    group.Add(CopyAs(residual, from));
    return group;
  }
  MOE_ASSIGN_OR_RETURN(std::string share,
                       DivideBias(from, config_.scale_factor, "scale_factor"));
  return Repeat(from, names, PieceOf(std::move(share)));
}

absl::StatusOr<Replacement> MlpConverter::Convert(
    const checkpoint::TensorName& name,
    const checkpoint::TensorLocation& from) const {
  const MlpKind* const kind = FindMlpKind(name.kind);
  if (kind == nullptr) return CopyAs(name, from);
  if (config_.IsContractLayer(name.layer)) {
    return CopyAs({kind->contract, name.layer, -1, name.is_bias}, from);
  }
  if (name.is_bias && name.kind == checkpoint::TensorKind::kMlpDown) {
    return OutputBiases(*kind, name, from);
  }
  return Slices(*kind, name, from);
}

absl::Status CheckDense(const checkpoint::Checkpoint& checkpoint) {
  const checkpoint::MoeConfig* const moe = checkpoint.moe_config();
  if (moe == nullptr) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      checkpoint.directory(), ": expected a dense checkpoint, found ",
      moe->num_local_experts > 0 ? "MLP" : "attention",
      " experts; convert the dense checkpoint that it was made from",
      moe->num_local_experts > 0
          ? ""
          : " (the MLPs first, the attention afterwards)"));
}

absl::Status CheckNoneIsLost(const MlpArtifacts& artifacts,
                             int64_t intermediate_size) {
  const checkpoint::NeuronIndices& indices = *artifacts.neuron_indices;
  for (size_t i = 0; i < indices.layers.size(); ++i) {
    const NeuronUse use = CountUse(indices.layers[i], intermediate_size);
    if (use.num_unused == 0) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        artifacts.neuron_indices_path, ": layer ", i,
        ": expected every neuron in an expert, found ", use.num_unused, " of ",
        intermediate_size,
        " neurons in none; make the split without share_neurons, or convert "
        "with share_neurons"));
  }
  return absl::OkStatus();
}

// Given or sequential indices that fit the model.
absl::StatusOr<checkpoint::NeuronIndices> TakeIndices(
    const checkpoint::Checkpoint& dense, const MlpConversionOptions& options,
    const MlpArtifacts& artifacts) {
  const checkpoint::LlamaConfig& config = *dense.dense_config();
  const bool residual = options.kind() == MlpConversionOptions::RESIDUAL;
  if (artifacts.neuron_indices == nullptr) {
    if (residual) {
      return absl::InvalidArgumentError(
          "expected neuron indices, found none: they say what the residual "
          "expert takes; make them with split_gradient_residual");
    }
    return SplitSequentially({config.num_hidden_layers, options.num_experts(),
                              config.intermediate_size});
  }
  checkpoint::NeuronIndicesShape shape;
  shape.num_layers = config.num_hidden_layers;
  shape.num_experts = options.num_experts();
  shape.intermediate_size = config.intermediate_size;
  shape.residual = residual;
  shape.shared = options.share_neurons();
  absl::Status valid = checkpoint::ValidateNeuronIndices(
      *artifacts.neuron_indices, shape, artifacts.neuron_indices_path);
  if (!valid.ok() && !shape.shared) {
    shape.shared = true;
    if (checkpoint::ValidateNeuronIndices(*artifacts.neuron_indices, shape, "")
            .ok()) {
      valid = absl::InvalidArgumentError(absl::StrCat(
          valid.message(),
          "; if that is what the split was to do, convert with share_neurons"));
    }
  }
  MOE_RETURN_IF_ERROR(valid);
  if (!options.share_neurons()) {
    MOE_RETURN_IF_ERROR(CheckNoneIsLost(artifacts, config.intermediate_size));
  }
  return *artifacts.neuron_indices;
}

checkpoint::MoeConfig ConfigOf(const checkpoint::LlamaConfig& dense,
                               const checkpoint::NeuronIndices& indices,
                               const MlpConversionOptions& options) {
  checkpoint::MoeConfig config;
  config.decoder = dense;
  config.num_local_experts = options.num_experts();
  config.num_experts_per_tok = options.top_k();
  config.expert_intermediate_size = indices.layers.front().experts.cols();
  if (indices.layers.front().residual.has_value()) {
    config.intermediate_size_residual =
        static_cast<int64_t>(indices.layers.front().residual->size());
  }
  config.scale_factor = options.scale_factor();
  config.num_moe_contract_layers = options.num_moe_contract_layers();
  config.config_style = options.config_style();
  return config;
}

// A residual conversion takes the first rows of what may have more.
absl::Status CheckGates(const checkpoint::Checkpoint& dense,
                        const checkpoint::MoeConfig& config,
                        const MlpArtifacts& artifacts,
                        const RouterSource& routers) {
  const bool residual = config.intermediate_size_residual.has_value();
  const std::string& path = artifacts.gate_weights_path;
  if (artifacts.gate_weights == nullptr) {
    if (!residual) return absl::OkStatus();
    return absl::InvalidArgumentError(
        "expected gate weights, found none; a residual conversion draws no "
        "routers: make gate weights with hidden_clustering or "
        "random_selection");
  }
  const checkpoint::GateWeights& gates = *artifacts.gate_weights;
  int64_t num_rows = config.num_local_experts;
  if (residual && !gates.layers.empty() && gates.layers[0].rows() > num_rows) {
    num_rows = gates.layers[0].rows();
  }
  MOE_RETURN_IF_ERROR(checkpoint::ValidateGateWeights(
      gates,
      {config.decoder.num_hidden_layers, num_rows, config.decoder.hidden_size},
      path));
  return CheckRoutersFit(routers, dense, config,
                         checkpoint::TensorKind::kMlpGate, path);
}

void CountNeurons(const checkpoint::NeuronIndices& indices,
                  MlpConversion& conversion) {
  const checkpoint::MoeConfig& config = conversion.config;
  for (int64_t i = 0; i < config.decoder.num_hidden_layers; ++i) {
    if (config.IsContractLayer(i)) continue;
    const NeuronUse use = CountUse(indices.layers[static_cast<size_t>(i)],
                                   config.decoder.intermediate_size);
    conversion.num_unused_neurons += use.num_unused;
    conversion.num_shared_neurons += use.num_shared;
  }
}

int64_t NumExpertsOf(const checkpoint::GateWeights* gate_weights,
                     const checkpoint::NeuronIndices* neuron_indices) {
  if (neuron_indices != nullptr && !neuron_indices->layers.empty()) {
    return neuron_indices->layers[0].experts.rows();
  }
  if (gate_weights != nullptr && !gate_weights->layers.empty()) {
    return gate_weights->layers[0].rows();
  }
  return 8;
}

}  // namespace

absl::Status ValidateMlpConversionOptions(const MlpConversionOptions& options) {
  MOE_RETURN_IF_ERROR(base::CheckOptions(options));
  if (!options.has_top_k() || !options.has_num_experts()) {
    return absl::OkStatus();
  }
  return base::CheckField(
      options.top_k() <= options.num_experts(), "top_k", options.top_k(),
      absl::StrCat("1 to ", options.num_experts(), " (num_experts)"));
}

MlpConversionOptions WithPublishedSettings(
    const MlpConversionOptions& options,
    const checkpoint::GateWeights* gate_weights,
    const checkpoint::NeuronIndices* neuron_indices) {
  const bool residual = options.kind() == MlpConversionOptions::RESIDUAL;
  MlpConversionOptions all = options;
  if (!all.has_num_experts()) {
    all.set_num_experts(NumExpertsOf(gate_weights, neuron_indices));
  }
  if (!all.has_top_k()) all.set_top_k(residual ? 1 : 2);
  if (!all.has_scale_factor()) all.set_scale_factor(residual ? 1.0 : 4.0);
  return all;
}

absl::StatusOr<MlpConversion> ConvertMlp(const checkpoint::Checkpoint& dense,
                                         const MlpConversionOptions& given,
                                         const MlpArtifacts& artifacts,
                                         const ConversionOutput& output,
                                         const ConversionResources& resources) {
  MOE_RETURN_IF_ERROR(ValidateMlpConversionOptions(given));
  const MlpConversionOptions options = WithPublishedSettings(
      given, artifacts.gate_weights, artifacts.neuron_indices);
  MOE_RETURN_IF_ERROR(ValidateMlpConversionOptions(options));
  MOE_RETURN_IF_ERROR(CheckDense(dense));
  MOE_ASSIGN_OR_RETURN(const checkpoint::NeuronIndices indices,
                       TakeIndices(dense, options, artifacts));
  MlpConversion conversion;
  conversion.config = ConfigOf(*dense.dense_config(), indices, options);
  MOE_RETURN_IF_ERROR(checkpoint::ValidateMoeConfig(conversion.config));
  conversion.has_random_routers = artifacts.gate_weights == nullptr;
  CountNeurons(indices, conversion);
  const RouterSource routers = {artifacts.gate_weights,
                                static_cast<uint64_t>(options.seed()),
                                "convert_mixtral",
                                options.router_dtype(),
                                checkpoint::TensorKind::kRouter,
                                conversion.config.num_local_experts,
                                conversion.config.decoder.hidden_size};
  MOE_RETURN_IF_ERROR(CheckGates(dense, conversion.config, artifacts, routers));
  const MlpConverter converter(conversion.config, indices, routers);
  MOE_ASSIGN_OR_RETURN(
      ConversionPlan plan,
      PlanMoeConversion(dense, conversion.config,
                        [&](const checkpoint::TensorName& name,
                            const checkpoint::TensorLocation& from) {
                          return converter.Convert(name, from);
                        }));
  MOE_ASSIGN_OR_RETURN(
      conversion.written,
      WriteConversion(std::move(plan), dense, output, resources));
  return conversion;
}

}  // namespace moe::convert
