// split_gradient, split_gradient_residual, split_sequential, split_random:
// which neurons each expert takes.

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "moe/base/json.h"
#include "moe/base/progress.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/artifact/artifact_io.h"
#include "moe/checkpoint/artifact/importance_scores.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/split/neuron_split.h"
#include "moe/split/split_options.pb.h"
#include "moe/steps/all_steps.h"
#include "moe/steps/artifact_output.h"
#include "moe/steps/cost_model.h"
#include "moe/steps/output_options.pb.h"
#include "moe/steps/step_kind.h"
#include "moe/steps/walk_session.h"

namespace moe::steps {
namespace {

constexpr char kScoresFlag[] = "score_file";

int64_t NumClusters(const VanillaSplitOptions& options) {
  return options.num_experts();
}
int64_t NumClusters(const ResidualSplitOptions& options) {
  return options.num_experts_moe();
}

absl::StatusOr<split::NeuronSplit> Split(
    const checkpoint::ImportanceScores& scores,
    const VanillaSplitOptions& options, base::ThreadPool& pool) {
  return split::SplitNeurons(scores, options, pool);
}
absl::StatusOr<split::NeuronSplit> Split(
    const checkpoint::ImportanceScores& scores,
    const ResidualSplitOptions& options, base::ThreadPool& pool) {
  return split::SplitNeuronsWithResidual(scores, options, pool);
}

// Held against the model, if there is one, and else against themselves.
absl::StatusOr<checkpoint::ImportanceScores> ReadScores(
    const StepRequest& request, int64_t num_clusters) {
  const std::string path = request.Path(kScoresFlag);
  const std::string model_path = request.Path(kModelPathFlag);
  MOE_ASSIGN_OR_RETURN(
      checkpoint::ImportanceScores scores,
      checkpoint::ReadArtifact<checkpoint::ImportanceScores>(path));
  checkpoint::ImportanceScoresShape shape{
      static_cast<int64_t>(scores.layers.size()), num_clusters,
      scores.layers.empty() ? 0 : scores.layers.front().scores.cols()};
  if (!model_path.empty()) {
    MOE_ASSIGN_OR_RETURN(const checkpoint::LlamaConfig config,
                         DenseConfigOf(model_path));
    shape.num_layers = config.num_hidden_layers;
    shape.intermediate_size = config.intermediate_size;
  }
  MOE_RETURN_IF_ERROR(
      checkpoint::ValidateImportanceScores(scores, shape, path));
  return scores;
}

absl::StatusOr<StepOutcome> WriteIndices(
    const StepRequest& request, const checkpoint::NeuronIndices& indices,
    int64_t seed, const base::Json& report, const std::string& text) {
  const auto& output = request.OutputAs<ArtifactOutput>();
  MOE_ASSIGN_OR_RETURN(const base::Json whole,
                       WriteArtifactAndReport(
                           indices, MetadataOf(request, seed), report, output));
  return OutcomeOf(output, checkpoint::NeuronIndices::kName, whole, text);
}

template <typename Options>
absl::StatusOr<StepOutcome> RunSplit(const StepRequest& request,
                                     base::Progress&) {
  const auto& options = request.OptionsAs<Options>();
  MOE_RETURN_IF_ERROR(CheckArtifactOutput<checkpoint::NeuronIndices>(
      request.OutputAs<ArtifactOutput>()));
  MOE_ASSIGN_OR_RETURN(const int num_threads,
                       base::NumThreadsFromEnvironment());
  MOE_ASSIGN_OR_RETURN(const checkpoint::ImportanceScores scores,
                       ReadScores(request, NumClusters(options)));
  base::ThreadPool pool(num_threads);
  MOE_ASSIGN_OR_RETURN(const split::NeuronSplit result,
                       Split(scores, options, pool));
  return WriteIndices(request, result.indices, /*seed=*/0,
                      split::SplitReportToJson(options, result),
                      split::FormatSplitReport(result));
}

absl::StatusOr<StepOutcome> RunNaive(const StepRequest& request,
                                     base::Progress&) {
  const auto& options = request.OptionsAs<NaiveSplitOptions>();
  MOE_RETURN_IF_ERROR(CheckArtifactOutput<checkpoint::NeuronIndices>(
      request.OutputAs<ArtifactOutput>()));
  MOE_ASSIGN_OR_RETURN(const checkpoint::LlamaConfig config,
                       DenseConfigOf(request.Path(kModelPathFlag)));
  MOE_ASSIGN_OR_RETURN(
      const checkpoint::NeuronIndices indices,
      split::SplitNeuronsNaively(
          {config.num_hidden_layers, config.intermediate_size}, options));
  return WriteIndices(
      request, indices, options.seed(),
      split::SplitReportToJson(options, indices),
      absl::StrCat(FormatLine("layers", absl::StrCat(indices.layers.size())),
                   FormatLine("neurons of an expert",
                              absl::StrCat(config.intermediate_size /
                                           options.num_experts()))));
}

void SplitCost(const CostedStep& step, CostModel& model) {
  const int64_t bytes =
      model.ScoreBytes(model.num_clusters(step.reads.at(kScoresFlag)));
  model.step().read_bytes += bytes;
  model.step().memory_bytes += bytes + model.IndexBytes();
  model.Writes(model.IndexBytes());
}

void ResidualSplitCost(const CostedStep& step, CostModel& model) {
  SplitCost(step, model);
  model.num_residual(step.name) = static_cast<double>(
      step.OptionsAs<ResidualSplitOptions>().num_experts_residual());
}

void NaiveCost(const CostedStep&, CostModel& model) {
  model.Writes(model.IndexBytes());
}

// What the splits by scores have in common.
StepKind SplitByScores() {
  StepKind kind;
  StepInputKind model = DenseModelInput();
  model.what = "dense checkpoint that the scores are held against";
  model.required = false;
  kind.inputs = {model,
                 {.flag = kScoresFlag,
                  .source = StepInputKind::kMade,
                  .field = "importance_scores",
                  .made = OutputKind::kImportanceScores,
                  .what = "importance scores, .safetensors or .pt"}};
  kind.made = OutputKind::kNeuronIndices;
  kind.output = std::make_shared<ArtifactOutput>();
  return kind;
}

StepKind NaiveSplit(NaiveSplitOptions::Method method) {
  StepKind kind;
  kind.field = "naive_split";
  kind.inputs = {DenseModelInput()};
  kind.made = OutputKind::kNeuronIndices;
  auto options = std::make_shared<NaiveSplitOptions>();
  options->set_method(method);
  kind.options = options;
  kind.output = std::make_shared<ArtifactOutput>();
  kind.run = RunNaive;
  kind.cost = NaiveCost;
  return kind;
}

}  // namespace

StepKind VanillaSplitKind() {
  StepKind kind = SplitByScores();
  kind.name = "split_gradient";
  kind.summary = "shares neurons out among experts by importance scores";
  kind.notes =
      "Neuron by neuron, to the expert for which it is the most important of "
      "those that are left, until every expert is full; with --share_neurons "
      "each expert takes its own best ones.";
  kind.field = "split";
  kind.options = std::make_shared<VanillaSplitOptions>();
  kind.run = RunSplit<VanillaSplitOptions>;
  kind.cost = SplitCost;
  return kind;
}

StepKind ResidualSplitKind() {
  StepKind kind = SplitByScores();
  kind.name = "split_gradient_residual";
  kind.summary =
      "the same, with a residual expert that every token goes through";
  kind.notes =
      "First the residual expert takes the neurons that most experts would "
      "want; then the others are shared out as split_gradient does.";
  kind.field = "split_residual";
  kind.options = std::make_shared<ResidualSplitOptions>();
  kind.run = RunSplit<ResidualSplitOptions>;
  kind.cost = ResidualSplitCost;
  return kind;
}

StepKind SequentialSplitKind() {
  StepKind kind = NaiveSplit(NaiveSplitOptions::SEQUENTIAL);
  kind.name = "split_sequential";
  kind.summary = "shares neurons out in their order, for comparison";
  kind.notes = "Expert e takes neurons e I / E to (e + 1) I / E, less 1.";
  kind.left_out = {"seed"};
  return kind;
}

StepKind RandomSplitKind() {
  StepKind kind = NaiveSplit(NaiveSplitOptions::RANDOM);
  kind.name = "split_random";
  kind.summary = "shares neurons out at random, for comparison";
  kind.notes =
      "A permutation by --seed and the layer's number, cut into experts of one "
      "size.";
  return kind;
}

}  // namespace moe::steps
