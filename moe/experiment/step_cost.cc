#include "moe/experiment/step_cost.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "moe/base/byte_size.h"
#include "moe/base/check.h"
#include "moe/base/progress.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/experiment/experiment_inputs.h"
#include "moe/experiment/experiment_spec.pb.h"
#include "moe/experiment/step_plan.h"
#include "moe/steps/cost_model.h"
#include "moe/steps/step_kind.h"
#include "moe/text/dataset/dataset_options.h"
#include "moe/text/dataset/load_dataset.h"
#include "moe/text/dataset/token_sequences.h"
#include "moe/text/tokenizer/tokenizer.h"

namespace moe::experiment {
namespace {

// What it reads, by flag. The dense model, and an artifact that it does
// without, have no name; a model that it does without has no entry.
steps::CostedStep Costed(const PlannedStep& step) {
  steps::CostedStep costed;
  costed.name = step.name;
  costed.options = step.request.options.get();
  for (const steps::StepInputKind& input : step.request.kind->inputs) {
    const bool is_other_model =
        input.source == steps::StepInputKind::kModel && !input.required;
    if (!is_other_model) costed.reads[input.flag] = "";
  }
  for (const StepInput& input : step.inputs) {
    costed.reads[input.flag] =
        input.source == InputSource::kModel ? "" : input.name;
  }
  return costed;
}

absl::StatusOr<steps::DatasetSize> SizeOf(const ExperimentDataset& dataset,
                                          const std::string& path,
                                          const text::Tokenizer& tokenizer,
                                          const checkpoint::LlamaConfig& config,
                                          base::ThreadPool& pool,
                                          base::Progress& progress) {
  text::DatasetRequest request;
  request.path = path;
  request.tokenizer = &tokenizer;
  request.embedding_rows = config.vocab_size;
  request.tokenize = dataset.tokenize();
  request.batch = dataset.batch();
  MOE_ASSIGN_OR_RETURN(const text::LoadedDataset loaded,
                       text::LoadDataset(request, pool, progress));
  const text::TokenSequences& sequences = loaded.batches.sequences();
  steps::DatasetSize size;
  size.num_tokens = sequences.num_tokens();
  for (int64_t i = 0; i < sequences.num_sequences(); ++i) {
    const auto length = static_cast<int64_t>(sequences.input_ids(i).size());
    size.sum_squared_lengths += length * length;
  }
  return size;
}

std::string Row(const steps::StepCost& cost) {
  return absl::StrFormat("  %-22s %10.3g %12s %12s %12s\n", cost.name,
                         cost.flops, base::FormatByteSize(cost.read_bytes),
                         base::FormatByteSize(cost.written_bytes),
                         base::FormatByteSize(cost.memory_bytes));
}

}  // namespace

std::vector<steps::StepCost> CostsOfSteps(
    const ExperimentSpec& spec, const steps::ModelSize& model,
    const std::map<std::string, steps::DatasetSize>& datasets) {
  const absl::StatusOr<std::vector<PlannedStep>> steps = PlanSteps(spec);
  MOE_CHECK(steps.ok());
  steps::CostModel estimate(model, datasets);
  std::vector<steps::StepCost> costs;
  for (const PlannedStep& step : *steps) {
    estimate.step() = {};
    estimate.step().name = step.name;
    step.request.kind->cost(Costed(step), estimate);
    costs.push_back(estimate.step());
  }
  return costs;
}

absl::StatusOr<std::vector<steps::StepCost>> EstimateSteps(
    const ExperimentSpec& spec, const ExperimentInputs::Places& places,
    base::Progress& progress) {
  MOE_ASSIGN_OR_RETURN(const int num_threads,
                       base::NumThreadsFromEnvironment());
  MOE_ASSIGN_OR_RETURN(const checkpoint::Checkpoint checkpoint,
                       checkpoint::Checkpoint::Open(places.model));
  if (checkpoint.dense_config() == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(
        places.model,
        ": expected a dense checkpoint, found a Mixture of Experts"));
  }
  steps::ModelSize model;
  model.config = *checkpoint.dense_config();
  for (const checkpoint::SafetensorsFile& shard :
       checkpoint.tensors().shards()) {
    model.stored_bytes += static_cast<int64_t>(shard.size_bytes());
  }
  base::ThreadPool pool(num_threads);
  const ExperimentInputs inputs(places, progress);
  std::map<std::string, steps::DatasetSize> datasets;
  for (const ExperimentDataset& dataset : spec.datasets()) {
    MOE_ASSIGN_OR_RETURN(const std::string path,
                         inputs.PathOf({"", InputSource::kData, dataset.name(),
                                        dataset.file()}));
    MOE_ASSIGN_OR_RETURN(
        const std::unique_ptr<text::Tokenizer> tokenizer,
        text::LoadTokenizer(places.model,
                            text::TextEndsOf(dataset.tokenize())));
    MOE_ASSIGN_OR_RETURN(
        datasets[dataset.name()],
        SizeOf(dataset, path, *tokenizer, model.config, pool, progress));
  }
  return CostsOfSteps(spec, model, datasets);
}

std::string FormatCosts(const std::vector<steps::StepCost>& costs) {
  std::string text =
      absl::StrFormat("Estimates:\n  %-22s %10s %12s %12s %12s\n", "step",
                      "FLOP", "read", "on disk", "memory");
  steps::StepCost all;
  all.name = "all";
  for (const steps::StepCost& cost : costs) {
    text += Row(cost);
    all.flops += cost.flops;
    all.read_bytes += cost.read_bytes;
    all.written_bytes += cost.written_bytes;
    all.memory_bytes = std::max(all.memory_bytes, cost.memory_bytes);
  }
  return text + Row(all);
}

}  // namespace moe::experiment
