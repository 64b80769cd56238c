#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/artifact/artifact_io.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/convert/attention_options.pb.h"
#include "moe/convert/conversion_options.h"
#include "moe/convert/conversion_report.h"
#include "moe/convert/convert_attention.h"
#include "moe/convert/piece_stream.h"
#include "tools/cli/command.h"
#include "tools/cli/commands.h"
#include "tools/cli/conversion_flags.h"
#include "tools/cli/flag_set.h"

namespace moe::cli {
namespace {

struct ConvertAttentionFlags {
  ConversionFlags conversion;
  std::string attn_gate_weights_file;
  int64_t attn_split = 1;
  int64_t top_k_attn = 0;
  double scale_factor_attn = kDefaultScaleFactorAttention;
  std::optional<int64_t> num_moe_contract_layers;
  int64_t seed = 0;
};

AttentionConversionOptions OptionsOf(const ConvertAttentionFlags& flags) {
  AttentionConversionOptions options;
  options.set_attn_split(flags.attn_split);
  options.set_top_k_attn(flags.top_k_attn);
  options.set_scale_factor_attn(flags.scale_factor_attn);
  if (flags.num_moe_contract_layers.has_value()) {
    options.set_num_moe_contract_layers(*flags.num_moe_contract_layers);
  }
  options.set_seed(flags.seed);
  SetCheckpointForm(flags.conversion, options);
  return options;
}

absl::StatusOr<int> Run(const ConvertAttentionFlags& flags,
                        CommandContext& context) {
  std::optional<GateWeights> gates;
  if (!flags.attn_gate_weights_file.empty()) {
    MOE_ASSIGN_OR_RETURN(
        gates, ReadArtifact<GateWeights>(flags.attn_gate_weights_file));
  }
  const AttentionArtifacts given = {gates.has_value() ? &*gates : nullptr,
                                    flags.attn_gate_weights_file};
  const ConversionSources sources = {flags.attn_gate_weights_file,
                                     /*neuron_indices_path=*/"", flags.seed};
  return RunConversion(
      flags.conversion,
      [&](const Checkpoint& from, const ConversionResources& resources)
          -> absl::StatusOr<ConversionSummary> {
        MOE_ASSIGN_OR_RETURN(
            const AttentionConversion conversion,
            ConvertAttention(from, OptionsOf(flags), given,
                             flags.conversion.Output(), resources));
        const std::string& path = flags.conversion.save_path;
        return ConversionSummary{
            AttentionConversionToJson(path, conversion, sources),
            FormatAttentionConversion(path, conversion, sources)};
      },
      context);
}

CommandAction Declare(FlagSet& set) {
  const auto flags = std::make_shared<ConvertAttentionFlags>();
  AddConversionFlags(set, "MoE or dense checkpoint directory",
                     &flags->conversion);
  set.AddInt({.names = {"attn_split"},
              .what = "experts of a KV head: a power of two that divides its "
                      "query heads"},
             {.min = 1}, &flags->attn_split);
  set.AddInt({.names = {"top_k_attn"},
              .what = "attention experts of a token",
              .required = true},
             {.min = 1}, &flags->top_k_attn);
  set.AddDouble({.names = {"scale_factor_attn"},
                 .what = "what the experts' weighted sum is multiplied by, "
                         "above 0"},
                {.min = std::numeric_limits<double>::min()},
                &flags->scale_factor_attn);
  set.AddString({.names = {"attn_gate_weights_file"},
                 .what = "router weights, .safetensors or .pt; without them, "
                         "routers are drawn by --seed",
                 .path = PathRole::kInput},
                &flags->attn_gate_weights_file);
  set.AddInt({.names = {"num_moe_contract_layers"},
              .what = "layers at each end that stay dense; those of an MoE "
                      "checkpoint, and 0 for a dense one where it is not given",
              .unit = "layers"},
             {.min = 0}, &flags->num_moe_contract_layers);
  AddCheckpointFormFlags(set,
                         "that of an MoE checkpoint, and own for a dense one",
                         &flags->conversion);
  set.AddInt({.names = {"seed"}, .what = "of the routers that are drawn"},
             {.min = 0}, &flags->seed);
  return [flags](CommandContext& context) { return Run(*flags, context); };
}

}  // namespace

Command ConvertMixtralAttnMoeCommand() {
  return {
      .name = "convert_mixtral_attn_moe",
      .aliases = {},
      .summary = "cuts the attention of a checkpoint into experts",
      .section = CommandSection::kPipeline,
      .notes =
          "There are --attn_split experts for each KV head, each with its "
          "share "
          "of the head's query heads.\nThe MLPs stay as they are: experts, or "
          "dense. Every weight of an expert is a dense weight, bit\nfor bit; "
          "given router weights are F32 and are rounded to the checkpoint's "
          "type, to nearest even.\nThe checkpoint appears at --save_path whole "
          "or not at all. MOE_NUM_THREADS sets the number of\nthreads, which "
          "the result does not depend on. Exit status: 0, or 2 on an error.\n",
      .declare = Declare};
}

}  // namespace moe::cli
