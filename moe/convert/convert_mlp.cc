#include "moe/convert/convert_mlp.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
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
#include "moe/convert/conversion_options.h"
#include "moe/convert/conversion_plan.h"
#include "moe/convert/expert_bias.h"
#include "moe/convert/mlp_options.pb.h"
#include "moe/convert/neuron_use.h"
#include "moe/convert/piece_stream.h"
#include "moe/convert/router_weights.h"
#include "moe/convert/tensor_piece.h"

namespace moe {
namespace {

// What a matrix of the dense MLP becomes.
struct MlpKind {
  TensorKind dense;
  TensorKind contract;
  TensorKind expert;
  TensorKind residual;
};

constexpr MlpKind kMlpKinds[] = {
    {TensorKind::kMlpGate, TensorKind::kContractGate, TensorKind::kExpertGate,
     TensorKind::kResidualGate},
    {TensorKind::kMlpUp, TensorKind::kContractUp, TensorKind::kExpertUp,
     TensorKind::kResidualUp},
    {TensorKind::kMlpDown, TensorKind::kContractDown, TensorKind::kExpertDown,
     TensorKind::kResidualDown}};

const MlpKind* FindMlpKind(TensorKind dense) {
  for (const MlpKind& kind : kMlpKinds) {
    if (kind.dense == dense) return &kind;
  }
  return nullptr;
}

TensorSpec RouterSpec(const MoeConfig& config, int64_t layer, Dtype dtype) {
  return {FormatTensorName({TensorKind::kRouter, layer, /*expert=*/-1,
                            /*is_bias=*/false}),
          dtype,
          {config.num_local_experts, config.decoder.hidden_size}};
}

class MlpConverter {
 public:
  // All must outlive the converter and the plan that it makes.
  MlpConverter(const MoeConfig& config, const NeuronIndices& indices,
               const RouterSource& routers)
      : config_(config), indices_(indices), routers_(routers) {}

  absl::StatusOr<Replacement> Convert(const TensorName& name,
                                      const TensorLocation& from) const;

 private:
  Replacement Weights(const MlpKind& kind, const TensorName& name,
                      const TensorLocation& from) const;
  Replacement SlicedBiases(const MlpKind& kind, const TensorName& name,
                           const TensorLocation& from) const;
  absl::StatusOr<Replacement> OutputBiases(const MlpKind& kind,
                                           const TensorName& name,
                                           const TensorLocation& from) const;

  // The neurons of each expert, and of the residual expert.
  std::vector<absl::Span<const int64_t>> Lists(int64_t layer) const;
  // The names of what the dense tensor becomes, in the order of Lists.
  std::vector<TensorName> Names(const MlpKind& kind,
                                const TensorName& name) const;

  const MoeConfig& config_;
  const NeuronIndices& indices_;
  const RouterSource& routers_;
};

std::vector<absl::Span<const int64_t>> MlpConverter::Lists(
    int64_t layer) const {
  const LayerNeuronIndices& indices =
      indices_.layers[static_cast<size_t>(layer)];
  std::vector<absl::Span<const int64_t>> lists;
  for (int64_t e = 0; e < indices.experts.rows(); ++e) {
    lists.push_back(indices.experts.Row(e));
  }
  if (indices.residual.has_value()) lists.emplace_back(*indices.residual);
  return lists;
}

std::vector<TensorName> MlpConverter::Names(const MlpKind& kind,
                                            const TensorName& name) const {
  std::vector<TensorName> names;
  for (int64_t e = 0; e < config_.num_local_experts; ++e) {
    names.push_back({kind.expert, name.layer, e, name.is_bias});
  }
  if (config_.intermediate_size_residual.has_value()) {
    names.push_back({kind.residual, name.layer, -1, name.is_bias});
  }
  return names;
}

Replacement MlpConverter::Weights(const MlpKind& kind, const TensorName& name,
                                  const TensorLocation& from) const {
  const TensorSpec& spec = from.tensor->spec;
  const bool is_down = kind.dense == TensorKind::kMlpDown;
  const auto lists = Lists(name.layer);
  const std::vector<TensorName> names = Names(kind, name);
  Replacement group;
  if (kind.dense == TensorKind::kMlpGate) {
    const TensorSpec router =
        RouterSpec(config_, name.layer, RouterDtypeOf(routers_, spec.dtype));
    group = {{router}, {RouterPiece(routers_, name.layer, router)}};
  }
  for (size_t i = 0; i < names.size(); ++i) {
    const auto size = static_cast<int64_t>(lists[i].size());
    group.tensors.push_back(
        {FormatTensorName(names[i]), spec.dtype,
         is_down ? Shape{spec.shape[0], size} : Shape{size, spec.shape[1]}});
  }
  if (is_down) {
    group.pieces.push_back(ColumnsPiece{from, lists});
  } else {
    group.pieces.push_back(RowsPiece{from, lists});
  }
  return group;
}

Replacement MlpConverter::SlicedBiases(const MlpKind& kind,
                                       const TensorName& name,
                                       const TensorLocation& from) const {
  const auto lists = Lists(name.layer);
  const std::vector<TensorName> names = Names(kind, name);
  Replacement group;
  for (size_t i = 0; i < names.size(); ++i) {
    group.tensors.push_back({FormatTensorName(names[i]),
                             from.tensor->spec.dtype,
                             {static_cast<int64_t>(lists[i].size())}});
  }
  group.pieces.push_back(RowsPiece{from, lists});
  return group;
}

absl::StatusOr<Replacement> MlpConverter::OutputBiases(
    const MlpKind& kind, const TensorName& name,
    const TensorLocation& from) const {
  const TensorSpec& spec = from.tensor->spec;
  const bool has_residual = config_.intermediate_size_residual.has_value();
  // Of a routed expert.
  std::string share(static_cast<size_t>(NumBytes(spec)), '\0');
  if (!has_residual) {
    MOE_ASSIGN_OR_RETURN(
        share, DivideBias(from, config_.scale_factor, "scale_factor"));
  }
  const GeneratedPiece piece = PieceOf(std::move(share));
  Replacement group;
  for (const TensorName& target : Names(kind, name)) {
    group.tensors.push_back({FormatTensorName(target), spec.dtype, spec.shape});
    if (target.kind == kind.residual) {
      group.pieces.push_back(CopyPiece{from});
    } else {
      group.pieces.push_back(piece);
    }
  }
  return group;
}

absl::StatusOr<Replacement> MlpConverter::Convert(
    const TensorName& name, const TensorLocation& from) const {
  const MlpKind* const kind = FindMlpKind(name.kind);
  if (kind == nullptr) return CopyAs(name, from);
  if (config_.IsContractLayer(name.layer)) {
    return CopyAs({kind->contract, name.layer, -1, name.is_bias}, from);
  }
  if (!name.is_bias) return Weights(*kind, name, from);
  if (name.kind == TensorKind::kMlpDown) return OutputBiases(*kind, name, from);
  return SlicedBiases(*kind, name, from);
}

absl::Status CheckDense(const Checkpoint& checkpoint) {
  const MoeConfig* const moe = checkpoint.moe_config();
  if (moe == nullptr) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      checkpoint.directory(), " has ",
      moe->num_local_experts > 0 ? "MLP" : "attention",
      " experts already; wanted is the dense checkpoint that it was made from",
      moe->num_local_experts > 0
          ? ""
          : " (convert the MLPs first, the attention afterwards)"));
}

// With none in two experts, as many as there are neurons are all of them.
absl::Status CheckNoneIsLost(const MlpArtifacts& artifacts,
                             int64_t intermediate_size) {
  const NeuronIndices& indices = *artifacts.neuron_indices;
  for (size_t i = 0; i < indices.layers.size(); ++i) {
    const NeuronUse use = CountUse(indices.layers[i], intermediate_size);
    if (use.num_unused == 0) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        artifacts.neuron_indices_path, ": layer ", i, ": ", use.num_unused,
        " of ", intermediate_size,
        " neurons are in no expert and would be lost; make the split without "
        "share_neurons, or convert with share_neurons"));
  }
  return absl::OkStatus();
}

// Given or sequential indices that fit the model.
absl::StatusOr<NeuronIndices> TakeIndices(const Checkpoint& dense,
                                          const MlpConversionOptions& options,
                                          const MlpArtifacts& artifacts) {
  const LlamaConfig& config = *dense.dense_config();
  const bool residual = options.kind() == MlpConversionOptions::RESIDUAL;
  if (artifacts.neuron_indices == nullptr) {
    if (residual) {
      return absl::InvalidArgumentError(
          "a residual conversion needs neuron indices, which say what the "
          "residual expert takes; make them with split_gradient_residual");
    }
    return SplitSequentially({config.num_hidden_layers, options.num_experts(),
                              config.intermediate_size});
  }
  NeuronIndicesShape shape;
  shape.num_layers = config.num_hidden_layers;
  shape.num_experts = options.num_experts();
  shape.intermediate_size = config.intermediate_size;
  shape.residual = residual;
  shape.shared = options.share_neurons();
  absl::Status valid = ValidateNeuronIndices(*artifacts.neuron_indices, shape,
                                             artifacts.neuron_indices_path);
  if (!valid.ok() && !shape.shared) {
    shape.shared = true;
    if (ValidateNeuronIndices(*artifacts.neuron_indices, shape, "").ok()) {
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

MoeConfig ConfigOf(const LlamaConfig& dense, const NeuronIndices& indices,
                   const MlpConversionOptions& options) {
  MoeConfig config;
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
absl::Status CheckGates(const Checkpoint& dense, const MoeConfig& config,
                        const MlpArtifacts& artifacts,
                        const RouterSource& routers) {
  const bool residual = config.intermediate_size_residual.has_value();
  const std::string& path = artifacts.gate_weights_path;
  if (artifacts.gate_weights == nullptr) {
    if (!residual) return absl::OkStatus();
    return absl::InvalidArgumentError(
        "a residual conversion needs gate weights; make them with "
        "hidden_clustering or random_selection");
  }
  const GateWeights& gates = *artifacts.gate_weights;
  int64_t num_rows = config.num_local_experts;
  if (residual && !gates.layers.empty() && gates.layers[0].rows() > num_rows) {
    num_rows = gates.layers[0].rows();
  }
  MOE_RETURN_IF_ERROR(ValidateGateWeights(
      gates,
      {config.decoder.num_hidden_layers, num_rows, config.decoder.hidden_size},
      path));
  for (int64_t i = 0; i < config.decoder.num_hidden_layers; ++i) {
    if (config.IsContractLayer(i)) continue;
    const TensorLocation gate = dense.tensors().Find(FormatTensorName(
        {TensorKind::kMlpGate, i, /*expert=*/-1, /*is_bias=*/false}));
    MOE_RETURN_IF_ERROR(Annotate(
        CheckRouterFits(
            gates, i,
            RouterSpec(config, i,
                       RouterDtypeOf(routers, gate.tensor->spec.dtype))),
        path));
  }
  return absl::OkStatus();
}

void CountNeurons(const NeuronIndices& indices, MlpConversion& conversion) {
  const MoeConfig& config = conversion.config;
  for (int64_t i = 0; i < config.decoder.num_hidden_layers; ++i) {
    if (config.IsContractLayer(i)) continue;
    const NeuronUse use = CountUse(indices.layers[static_cast<size_t>(i)],
                                   config.decoder.intermediate_size);
    conversion.num_unused_neurons += use.num_unused;
    conversion.num_shared_neurons += use.num_shared;
  }
}

}  // namespace

absl::StatusOr<MlpConversion> ConvertMlp(const Checkpoint& dense,
                                         const MlpConversionOptions& given,
                                         const MlpArtifacts& artifacts,
                                         const ConversionOutput& output,
                                         const ConversionResources& resources) {
  MOE_RETURN_IF_ERROR(ValidateMlpConversionOptions(given));
  const MlpConversionOptions options = WithPublishedSettings(
      given, artifacts.gate_weights, artifacts.neuron_indices);
  MOE_RETURN_IF_ERROR(ValidateMlpConversionOptions(options));
  MOE_RETURN_IF_ERROR(CheckDense(dense));
  MOE_ASSIGN_OR_RETURN(const NeuronIndices indices,
                       TakeIndices(dense, options, artifacts));
  MlpConversion conversion;
  conversion.config = ConfigOf(*dense.dense_config(), indices, options);
  MOE_RETURN_IF_ERROR(ValidateMoeConfig(conversion.config));
  conversion.has_random_routers = artifacts.gate_weights == nullptr;
  CountNeurons(indices, conversion);
  const RouterSource routers = {artifacts.gate_weights,
                                static_cast<uint64_t>(options.seed()),
                                "convert_mixtral", options.router_dtype()};
  MOE_RETURN_IF_ERROR(CheckGates(dense, conversion.config, artifacts, routers));
  const MlpConverter converter(conversion.config, indices, routers);
  MOE_ASSIGN_OR_RETURN(ConversionPlan plan,
                       PlanMoeConversion(dense, conversion.config,
                                         [&](const TensorName& name,
                                             const TensorLocation& from) {
                                           return converter.Convert(name, from);
                                         }));
  MOE_ASSIGN_OR_RETURN(
      conversion.written,
      WriteConversion(std::move(plan), dense, output, resources));
  return conversion;
}

}  // namespace moe
