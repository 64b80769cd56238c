#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/artifact/artifact_io.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/convert/conversion_options.h"
#include "moe/convert/conversion_report.h"
#include "moe/convert/convert_mlp.h"
#include "moe/convert/mlp_options.pb.h"
#include "moe/convert/piece_stream.h"
#include "tools/cli/command.h"
#include "tools/cli/commands.h"
#include "tools/cli/conversion_flags.h"
#include "tools/cli/flag_set.h"

namespace moe::cli {
namespace {

struct ConvertMixtralFlags {
  MlpConversionOptions::Kind kind = MlpConversionOptions::VANILLA;
  ConversionFlags conversion;
  std::string gate_weights_file;
  std::string neuron_indices_file;
  std::optional<int64_t> num_experts;
  int64_t top_k = kDefaultTopK;
  double scale_factor = kDefaultScaleFactor;
  int64_t num_moe_contract_layers = 0;
  int64_t seed = 0;
  bool share_neurons = false;
};

// The files that are given.
struct Artifacts {
  std::optional<GateWeights> gate_weights;
  std::optional<NeuronIndices> neuron_indices;
};

absl::StatusOr<Artifacts> ReadArtifacts(const ConvertMixtralFlags& flags) {
  Artifacts artifacts;
  if (!flags.gate_weights_file.empty()) {
    MOE_ASSIGN_OR_RETURN(artifacts.gate_weights,
                         ReadArtifact<GateWeights>(flags.gate_weights_file));
  }
  if (!flags.neuron_indices_file.empty()) {
    MOE_ASSIGN_OR_RETURN(
        artifacts.neuron_indices,
        ReadArtifact<NeuronIndices>(flags.neuron_indices_file));
  }
  return artifacts;
}

// Where it is not given, what the files have.
int64_t NumExperts(const ConvertMixtralFlags& flags,
                   const Artifacts& artifacts) {
  if (flags.num_experts.has_value()) return *flags.num_experts;
  const auto& indices = artifacts.neuron_indices;
  if (indices.has_value() && !indices->layers.empty()) {
    return indices->layers[0].experts.rows();
  }
  const auto& gates = artifacts.gate_weights;
  if (gates.has_value() && !gates->layers.empty())
    return gates->layers[0].rows();
  return kDefaultMlpExperts;
}

MlpConversionOptions OptionsOf(const ConvertMixtralFlags& flags,
                               const Artifacts& artifacts) {
  MlpConversionOptions options;
  options.set_kind(flags.kind);
  options.set_num_experts(NumExperts(flags, artifacts));
  options.set_top_k(flags.top_k);
  options.set_scale_factor(flags.scale_factor);
  options.set_num_moe_contract_layers(flags.num_moe_contract_layers);
  options.set_seed(flags.seed);
  options.set_share_neurons(flags.share_neurons);
  SetCheckpointForm(flags.conversion, options);
  return options;
}

absl::StatusOr<int> Run(const ConvertMixtralFlags& flags,
                        CommandContext& context) {
  MOE_ASSIGN_OR_RETURN(const Artifacts artifacts, ReadArtifacts(flags));
  const auto pointer = [](const auto& optional) {
    return optional.has_value() ? &*optional : nullptr;
  };
  const MlpArtifacts given = {
      pointer(artifacts.gate_weights), flags.gate_weights_file,
      pointer(artifacts.neuron_indices), flags.neuron_indices_file};
  const ConversionSources sources = {flags.gate_weights_file,
                                     flags.neuron_indices_file, flags.seed};
  return RunConversion(
      flags.conversion,
      [&](const Checkpoint& dense, const ConversionResources& resources)
          -> absl::StatusOr<ConversionSummary> {
        MOE_ASSIGN_OR_RETURN(
            const MlpConversion conversion,
            ConvertMlp(dense, OptionsOf(flags, artifacts), given,
                       flags.conversion.Output(), resources));
        const std::string& path = flags.conversion.save_path;
        return ConversionSummary{
            MlpConversionToJson(path, conversion, sources),
            FormatMlpConversion(path, conversion, sources)};
      },
      context);
}

void DeclareFiles(FlagSet& set, bool required, ConvertMixtralFlags& flags) {
  set.AddString(
      {.names = {"gate_weights_file"},
       .what = required ? "router weights, .safetensors or .pt, of which the "
                          "first num_experts rows are taken"
                        : "router weights, .safetensors or .pt; without them, "
                          "routers are drawn by --seed",
       .required = required,
       .path = PathRole::kInput},
      &flags.gate_weights_file);
  set.AddString(
      {.names = {"neuron_indices_file"},
       .what = required
                   ? "neurons of each expert and of the residual expert, "
                     ".safetensors or .pt"
                   : "neurons of each expert, .safetensors or .pt; without "
                     "them, experts are even cuts of the neurons in order",
       .required = required,
       .path = PathRole::kInput},
      &flags.neuron_indices_file);
  set.AddBool({.names = {"share_neurons"},
               .what = "take indices by which several experts have the same "
                       "neuron, or none has it"},
              &flags.share_neurons);
}

CommandAction Declare(FlagSet& set, MlpConversionOptions::Kind kind) {
  const auto flags = std::make_shared<ConvertMixtralFlags>();
  const bool residual = kind == MlpConversionOptions::RESIDUAL;
  flags->kind = kind;
  if (residual) {
    flags->top_k = kDefaultTopKResidual;
    flags->scale_factor = kDefaultScaleFactorResidual;
  }
  AddConversionFlags(set, "dense checkpoint directory", &flags->conversion);
  DeclareFiles(set, residual, *flags);
  set.AddInt(
      {.names = {"num_experts"},
       .what = residual ? "routed experts of a layer, those of the files "
                          "where it is not given"
                        : "experts of a layer; where it is not given, "
                          "those of the files, or 8"},
      {.min = 1}, &flags->num_experts);
  set.AddInt({.names = {"top_k"}, .what = "routed experts of a token"},
             {.min = 1}, &flags->top_k);
  set.AddDouble({.names = {"scale_factor"},
                 .what = "what the routed experts' weighted sum is multiplied "
                         "by, above 0"},
                {.min = std::numeric_limits<double>::min()},
                &flags->scale_factor);
  set.AddInt({.names = {"num_moe_contract_layers"},
              .what = "layers at each end that stay dense",
              .unit = "layers"},
             {.min = 0}, &flags->num_moe_contract_layers);
  AddCheckpointFormFlags(set, "own", &flags->conversion);
  // A residual conversion draws nothing.
  if (!residual) {
    set.AddInt({.names = {"seed"}, .what = "of the routers that are drawn"},
               {.min = 0}, &flags->seed);
  }
  return [flags](CommandContext& context) { return Run(*flags, context); };
}

constexpr char kNotes[] =
    "Every weight of an expert is a dense weight, bit for bit; only routers "
    "are "
    "new. Given router\nweights are F32 and are rounded to the checkpoint's "
    "type, to nearest even, but with --router_dtype=float32. The new "
    "checkpoint has\nthe shards of the old one, "
    "its tokenizer and the Python code with which transformers loads it\n"
    "(trust_remote_code=True). It appears at --save_path whole or not at all. "
    "MOE_NUM_THREADS sets the\nnumber of threads, which the result does not "
    "depend on. Exit status: 0, or 2 on an error.\n";

}  // namespace

Command ConvertMixtralCommand() {
  return {.name = "convert_mixtral",
          .aliases = {},
          .summary = "cuts the MLPs of a dense checkpoint into experts",
          .section = CommandSection::kPipeline,
          .notes = kNotes,
          .declare = [](FlagSet& set) {
            return Declare(set, MlpConversionOptions::VANILLA);
          }};
}

Command ConvertMixtralResidualCommand() {
  return {.name = "convert_mixtral_residual",
          .aliases = {},
          .summary =
              "the same, with an expert in each layer that every token takes",
          .section = CommandSection::kPipeline,
          .notes = kNotes,
          .declare = [](FlagSet& set) {
            return Declare(set, MlpConversionOptions::RESIDUAL);
          }};
}

}  // namespace moe::cli
