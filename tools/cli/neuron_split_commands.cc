// split_gradient, split_gradient_residual, split_sequential, split_random.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/json.h"
#include "moe/base/option_checks.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/artifact/artifact_io.h"
#include "moe/checkpoint/artifact/importance_scores.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/split/neuron_split.h"
#include "moe/split/split_options.h"
#include "moe/split/split_options.pb.h"
#include "moe/split/split_report.h"
#include "tools/cli/artifact_output.h"
#include "tools/cli/command.h"
#include "tools/cli/commands.h"
#include "tools/cli/common_flags.h"
#include "tools/cli/dense_config.h"
#include "tools/cli/flag_set.h"
#include "tools/cli/version.h"

namespace moe::cli {
namespace {

struct SplitFlags {
  std::string score_file;
  std::string model_path;  // May be empty.
  std::string criterion = "max";
  bool share_neurons = false;
  std::optional<int64_t> expert_size;
  ArtifactFlags artifact;
  bool json = false;
};

void AddSplitFlags(FlagSet& set, SplitFlags* flags) {
  set.AddString({.names = {"score_file"},
                 .what = "importance scores, .safetensors or .pt",
                 .required = true,
                 .path = PathRole::kInput},
                &flags->score_file);
  set.AddString({.names = {"model_path", "model_name_or_path"},
                 .what = "dense checkpoint that the scores are held against",
                 .path = PathRole::kInput},
                &flags->model_path);
  set.AddChoice({.names = {"criterion"},
                 .what = "whether the largest or the smallest scores are best"},
                {"max", "min"}, &flags->criterion);
  set.AddBool({.names = {"share_neurons"},
               .what = "let several experts take the same neuron"},
              &flags->share_neurons);
  set.AddInt({.names = {"expert_size"},
              .what = "neurons of an expert; an even share where it is not "
                      "given",
              .unit = "neurons"},
             {.min = 1}, &flags->expert_size);
  AddArtifactFlags(set, NeuronIndices::kName, &flags->artifact);
  AddJson(set, &flags->json);
}

template <typename Options>
void SetCommonOptions(const SplitFlags& flags, Options& options) {
  options.set_criterion(flags.criterion == "min" ? SplitCriterion::MIN
                                                 : SplitCriterion::MAX);
  options.set_share_neurons(flags.share_neurons);
  if (flags.expert_size.has_value()) {
    options.set_expert_size(*flags.expert_size);
  }
}

// Held against the model, if there is one, and else against themselves.
absl::StatusOr<ImportanceScores> ReadScores(const SplitFlags& flags,
                                            int64_t num_experts) {
  MOE_ASSIGN_OR_RETURN(ImportanceScores scores,
                       ReadArtifact<ImportanceScores>(flags.score_file));
  ImportanceScoresShape shape{
      static_cast<int64_t>(scores.layers.size()), num_experts,
      scores.layers.empty() ? 0 : scores.layers.front().scores.cols()};
  if (!flags.model_path.empty()) {
    MOE_ASSIGN_OR_RETURN(const LlamaConfig config,
                         DenseConfigOf(flags.model_path));
    shape.num_layers = config.num_hidden_layers;
    shape.intermediate_size = config.intermediate_size;
  }
  MOE_RETURN_IF_ERROR(
      ValidateImportanceScores(scores, shape, flags.score_file));
  return scores;
}

struct SplitStep {
  absl::string_view name;
  int64_t num_experts;  // As many as the scores have clusters.
};

absl::StatusOr<Json> WriteIndices(const NeuronIndices& indices,
                                  absl::string_view step, int64_t seed,
                                  const Json& report,
                                  const ArtifactFlags& flags) {
  return WriteArtifactAndReport(
      indices,
      {kToolVersion, std::string(step), /*spec_digest=*/"",
       static_cast<uint64_t>(seed)},
      report, flags);
}

// `split` is SplitNeurons or SplitNeuronsWithResidual.
template <typename Options, typename Split>
absl::StatusOr<int> RunSplit(const SplitStep& step, const SplitFlags& flags,
                             const Options& options, Split split,
                             CommandContext& context) {
  MOE_RETURN_IF_ERROR(CheckArtifactOutput<NeuronIndices>(flags.artifact));
  MOE_ASSIGN_OR_RETURN(const int num_threads, NumThreadsFromEnvironment());
  MOE_ASSIGN_OR_RETURN(const ImportanceScores scores,
                       ReadScores(flags, step.num_experts));
  ThreadPool pool(num_threads);
  MOE_ASSIGN_OR_RETURN(const NeuronSplit result, split(scores, options, pool));
  MOE_ASSIGN_OR_RETURN(
      const Json report,
      WriteIndices(result.indices, step.name, /*seed=*/0,
                   SplitReportToJson(options, result), flags.artifact));
  PrintReport({flags.artifact, NeuronIndices::kName, flags.json}, report,
              FormatSplitReport(result), context);
  return kSuccess;
}

struct VanillaFlags {
  SplitFlags split;
  int64_t num_experts = kDefaultNumExperts;
};

absl::StatusOr<int> RunVanilla(const VanillaFlags& flags,
                               CommandContext& context) {
  VanillaSplitOptions options;
  options.set_num_experts(flags.num_experts);
  SetCommonOptions(flags.split, options);
  MOE_RETURN_IF_ERROR(ValidateVanillaSplitOptions(options));
  return RunSplit({"split_gradient", flags.num_experts}, flags.split, options,
                  SplitNeurons, context);
}

CommandAction DeclareVanilla(FlagSet& set) {
  const auto flags = std::make_shared<VanillaFlags>();
  AddSplitFlags(set, &flags->split);
  set.AddInt({.names = {"num_experts"},
              .what = "experts, as many as the scores have clusters"},
             {.min = 1, .max = kMaxExperts}, &flags->num_experts);
  return
      [flags](CommandContext& context) { return RunVanilla(*flags, context); };
}

struct ResidualFlags {
  SplitFlags split;
  int64_t num_experts_moe = kDefaultNumExperts - 1;
  int64_t num_experts_residual = 1;
};

absl::StatusOr<int> RunResidual(const ResidualFlags& flags,
                                CommandContext& context) {
  ResidualSplitOptions options;
  options.set_num_experts_moe(flags.num_experts_moe);
  options.set_num_experts_residual(flags.num_experts_residual);
  SetCommonOptions(flags.split, options);
  MOE_RETURN_IF_ERROR(ValidateResidualSplitOptions(options));
  return RunSplit({"split_gradient_residual", flags.num_experts_moe},
                  flags.split, options, SplitNeuronsWithResidual, context);
}

CommandAction DeclareResidual(FlagSet& set) {
  const auto flags = std::make_shared<ResidualFlags>();
  AddSplitFlags(set, &flags->split);
  set.AddInt({.names = {"num_experts_moe"},
              .what = "routed experts, as many as the scores have clusters"},
             {.min = 1, .max = kMaxExperts}, &flags->num_experts_moe);
  set.AddInt({.names = {"num_experts_residual"},
              .what = "size of the residual expert, in routed experts",
              .unit = "experts"},
             {.min = 1, .max = kMaxExperts}, &flags->num_experts_residual);
  return
      [flags](CommandContext& context) { return RunResidual(*flags, context); };
}

struct NaiveFlags {
  std::string model_path;
  int64_t num_experts = kDefaultNumExperts;
  int64_t seed = 0;
  ArtifactFlags artifact;
  bool json = false;
};

absl::StatusOr<int> RunNaive(absl::string_view step,
                             NaiveSplitOptions::Method method,
                             const NaiveFlags& flags, CommandContext& context) {
  NaiveSplitOptions options;
  options.set_method(method);
  options.set_num_experts(flags.num_experts);
  options.set_seed(flags.seed);
  MOE_RETURN_IF_ERROR(ValidateNaiveSplitOptions(options));
  MOE_RETURN_IF_ERROR(CheckArtifactOutput<NeuronIndices>(flags.artifact));
  MOE_ASSIGN_OR_RETURN(const LlamaConfig config,
                       DenseConfigOf(flags.model_path));
  MOE_ASSIGN_OR_RETURN(
      const NeuronIndices indices,
      SplitNeuronsNaively({config.num_hidden_layers, config.intermediate_size},
                          options));
  MOE_ASSIGN_OR_RETURN(
      const Json report,
      WriteIndices(indices, step, flags.seed,
                   SplitReportToJson(options, indices), flags.artifact));
  PrintReport(
      {flags.artifact, NeuronIndices::kName, flags.json}, report,
      absl::StrCat(FormatLine("layers", absl::StrCat(indices.layers.size())),
                   FormatLine("neurons of an expert",
                              absl::StrCat(config.intermediate_size /
                                           flags.num_experts))),
      context);
  return kSuccess;
}

CommandAction DeclareNaive(FlagSet& set, absl::string_view step,
                           NaiveSplitOptions::Method method) {
  const auto flags = std::make_shared<NaiveFlags>();
  AddModelPath(set, "directory of a dense checkpoint", "", &flags->model_path);
  set.AddInt({.names = {"num_experts"}, .what = "experts"},
             {.min = 1, .max = kMaxExperts}, &flags->num_experts);
  if (method == NaiveSplitOptions::RANDOM) {
    set.AddInt({.names = {"seed"}, .what = "of the random numbers"}, {.min = 0},
               &flags->seed);
  }
  AddArtifactFlags(set, NeuronIndices::kName, &flags->artifact);
  AddJson(set, &flags->json);
  return [flags, step, method](CommandContext& context) {
    return RunNaive(step, method, *flags, context);
  };
}

}  // namespace

Command SplitGradientCommand() {
  return {
      .name = "split_gradient",
      .aliases = {},
      .summary = "shares neurons out among experts by importance scores",
      .section = CommandSection::kPipeline,
      .notes =
          "Neuron by neuron, to the expert for which it is the most important "
          "of those that are left, until\nevery expert is full; with "
          "--share_neurons each expert takes its own best ones. Exit status: "
          "0,\nor 2 on an error.\n",
      .declare = DeclareVanilla};
}

Command SplitGradientResidualCommand() {
  return {
      .name = "split_gradient_residual",
      .aliases = {},
      .summary =
          "the same, with a residual expert that every token goes "
          "through",
      .section = CommandSection::kPipeline,
      .notes =
          "First the residual expert takes the neurons that most experts would "
          "want; then the others are\nshared out as split_gradient does. Exit "
          "status: 0, or 2 on an error.\n",
      .declare = DeclareResidual};
}

Command SplitSequentialCommand() {
  return {.name = "split_sequential",
          .aliases = {},
          .summary = "shares neurons out in their order, for comparison",
          .section = CommandSection::kPipeline,
          .notes =
              "Expert e takes neurons e I / E to (e + 1) I / E, less 1. "
              "Exit status: 0, or 2 on an error.\n",
          .declare = [](FlagSet& set) {
            return DeclareNaive(set, "split_sequential",
                                NaiveSplitOptions::SEQUENTIAL);
          }};
}

Command SplitRandomCommand() {
  return {.name = "split_random",
          .aliases = {},
          .summary = "shares neurons out at random, for comparison",
          .section = CommandSection::kPipeline,
          .notes =
              "A permutation by --seed and the layer's number, cut into "
              "experts of one size. Exit status: 0, or\n2 on an error.\n",
          .declare = [](FlagSet& set) {
            return DeclareNaive(set, "split_random", NaiveSplitOptions::RANDOM);
          }};
}

}  // namespace moe::cli
