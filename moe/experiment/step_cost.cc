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
#include "moe/base/progress.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/convert/conversion_options.h"
#include "moe/experiment/experiment_inputs.h"
#include "moe/experiment/experiment_spec.pb.h"
#include "moe/gates/clustering_options.h"
#include "moe/text/dataset/dataset_options.h"
#include "moe/text/dataset/load_dataset.h"
#include "moe/text/dataset/token_sequences.h"
#include "moe/text/tokenizer/tokenizer.h"

namespace moe {
namespace {

constexpr auto kFloatBytes = static_cast<int64_t>(sizeof(float));
constexpr auto kDoubleBytes = static_cast<int64_t>(sizeof(double));
constexpr auto kIndexBytes = static_cast<int64_t>(sizeof(int64_t));

// The share of a dense model's weights that a token goes through.
struct ActiveShare {
  double mlp = 1.0;
  double attention = 1.0;
};

class Estimator {
 public:
  Estimator(const ExperimentSpec& spec, const ModelSize& model,
            const std::map<std::string, DatasetSize>& datasets)
      : spec_(spec), model_(model), datasets_(datasets) {}

  StepCost Estimate(const ExperimentStep& step) {
    cost_ = {};
    cost_.name = step.name();
    switch (step.step_case()) {
      case ExperimentStep::kHiddenClustering:
        Add(step.hidden_clustering());
        break;
      case ExperimentStep::kRandomSelection:
        Walk(step.random_selection().dataset(), ActiveShare());
        Writes(GateBytes(step.random_selection().options().num_experts()));
        num_clusters_[step.name()] =
            step.random_selection().options().num_experts();
        break;
      case ExperimentStep::kNeuronImportance:
        Add(step.neuron_importance());
        num_clusters_[step.name()] =
            num_clusters_[step.neuron_importance().gate_weights()];
        break;
      case ExperimentStep::kSplit:
        Split(step.split().importance_scores());
        break;
      case ExperimentStep::kSplitResidual:
        Split(step.split_residual().importance_scores());
        break;
      case ExperimentStep::kNaiveSplit:
        Writes(IndexBytes());
        break;
      case ExperimentStep::kConvertMlp:
        Add(step.name(), step.convert_mlp());
        break;
      case ExperimentStep::kConvertAttention:
        Add(step.name(), step.convert_attention());
        break;
      case ExperimentStep::kEvaluate:
        Walk(step.evaluate().dataset(), shares_[step.evaluate().checkpoint()]);
        cost_.flops += HeadFlops(step.evaluate().dataset());
        break;
      case ExperimentStep::kHiddenDistribution:
        Walk(step.hidden_distribution().dataset(),
             shares_[step.hidden_distribution().checkpoint()]);
        Writes(DistributionBytes());
        break;
      case ExperimentStep::kAlign:
        Add(step.name(), step.align());
        break;
      case ExperimentStep::STEP_NOT_SET:
        break;
    }
    if (step.has_hidden_clustering()) {
      num_clusters_[step.name()] =
          step.hidden_clustering().options().num_experts();
    }
    return cost_;
  }

 private:
  const LlamaConfig& config() const { return model_.config; }
  double layers() const {
    return static_cast<double>(config().num_hidden_layers);
  }
  double MlpWeights() const {
    return 3.0 * static_cast<double>(config().hidden_size) *
           static_cast<double>(config().intermediate_size);
  }
  // Of queries, keys, values and outputs.
  double AttentionWeights() const {
    return 2.0 * static_cast<double>(config().hidden_size) *
           static_cast<double>(config().QuerySize() + config().KeyValueSize());
  }
  double Tokens(const std::string& dataset) const {
    return static_cast<double>(datasets_.at(dataset).num_tokens);
  }
  int64_t HiddenBytes(const std::string& dataset) const {
    return datasets_.at(dataset).num_tokens * config().hidden_size *
           kFloatBytes;
  }
  int64_t GateBytes(int64_t num_experts) const {
    return config().num_hidden_layers * num_experts * config().hidden_size *
           kFloatBytes;
  }
  int64_t ScoreBytes(int64_t num_clusters) const {
    return config().num_hidden_layers * num_clusters *
           (config().intermediate_size * kFloatBytes + kIndexBytes);
  }
  int64_t IndexBytes() const {
    return config().num_hidden_layers * config().intermediate_size *
           kIndexBytes;
  }

  // Two numbers of each feature of each block, and the tokens of a block.
  int64_t DistributionBytes() const {
    return config().num_hidden_layers * 2 *
           (2 * config().hidden_size * kDoubleBytes + kIndexBytes);
  }
  int64_t ScaleFactorBytes() const {
    return config().num_hidden_layers * 2 * 2 * config().hidden_size *
           kFloatBytes;
  }

  double ForwardFlops(const std::string& dataset,
                      const ActiveShare& share) const {
    const double weights =
        MlpWeights() * share.mlp + AttentionWeights() * share.attention;
    return 2.0 * Tokens(dataset) * layers() * weights +
           2.0 * layers() * static_cast<double>(config().QuerySize()) *
               static_cast<double>(datasets_.at(dataset).sum_squared_lengths);
  }
  double HeadFlops(const std::string& dataset) const {
    return 2.0 * Tokens(dataset) * static_cast<double>(config().vocab_size) *
           static_cast<double>(config().hidden_size);
  }

  void Writes(int64_t bytes) { cost_.written_bytes += bytes; }

  void Walk(const std::string& dataset, const ActiveShare& share) {
    cost_.flops += ForwardFlops(dataset, share);
    cost_.read_bytes += model_.stored_bytes;
    const auto layer_bytes = static_cast<int64_t>(
        (MlpWeights() + AttentionWeights()) * static_cast<double>(kFloatBytes));
    cost_.memory_bytes += 2 * layer_bytes + 2 * HiddenBytes(dataset);
  }

  void Add(const HiddenClusteringStep& step) {
    const ClusteringOptions& options = step.options();
    Walk(step.dataset(), ActiveShare());
    cost_.flops += 2.0 * Tokens(step.dataset()) *
                   static_cast<double>(options.num_experts()) *
                   static_cast<double>(config().hidden_size) * layers() *
                   static_cast<double>(MaxIterations(options)) *
                   static_cast<double>(NumRestarts(options));
    Writes(GateBytes(options.num_experts()));
  }

  void Add(const NeuronImportanceStep& step) {
    Walk(step.dataset(), ActiveShare());
    cost_.flops = 4.0 * cost_.flops + 3.0 * HeadFlops(step.dataset());
    cost_.read_bytes *= 2;
    cost_.memory_bytes +=
        (config().num_hidden_layers - 1) * HiddenBytes(step.dataset());
    Writes(ScoreBytes(num_clusters_[step.gate_weights()]));
  }

  void Split(const std::string& scores) {
    cost_.read_bytes += ScoreBytes(num_clusters_[scores]);
    cost_.memory_bytes += ScoreBytes(num_clusters_[scores]) + IndexBytes();
    Writes(IndexBytes());
  }

  // Of `share` in the layers with experts, and of everything in the others.
  double Mixed(double share, int64_t num_contract_layers) const {
    const double dense = std::min(
        1.0, 2.0 * static_cast<double>(num_contract_layers) / layers());
    return dense + (1.0 - dense) * share;
  }

  // Routed experts are as large as R of them are with a residual expert.
  double MlpShare(const MlpConversionStep& step) const {
    double residual = 0.0;
    for (const ExperimentStep& other : spec_.steps()) {
      if (other.name() == step.neuron_indices() && other.has_split_residual()) {
        residual = static_cast<double>(
            other.split_residual().options().num_experts_residual());
      }
    }
    const MlpConversionOptions& options = step.options();
    return Mixed((static_cast<double>(options.top_k()) + residual) /
                     (static_cast<double>(options.num_experts()) + residual),
                 options.num_moe_contract_layers());
  }

  void Convert() {
    cost_.read_bytes += model_.stored_bytes;
    Writes(model_.stored_bytes);
  }

  void Add(const std::string& name, const MlpConversionStep& step) {
    Convert();
    shares_[name].mlp = MlpShare(step);
  }

  void Add(const std::string& name, const AttentionConversionStep& step) {
    Convert();
    const AttentionConversionOptions& options = step.options();
    shares_[name].mlp = shares_[step.checkpoint()].mlp;
    shares_[name].attention = Mixed(
        std::min(1.0, static_cast<double>(options.top_k_attn()) /
                          static_cast<double>(config().num_key_value_heads *
                                              AttentionSplit(options))),
        options.num_moe_contract_layers());
  }

  // The walk, and the conversion after it.
  void Add(const std::string& name, const AlignmentStep& step) {
    shares_[name] = shares_[step.checkpoint()];
    Walk(step.dataset(), shares_[name]);
    Convert();
    cost_.read_bytes += DistributionBytes();
    Writes(ScaleFactorBytes());
  }

  const ExperimentSpec& spec_;
  const ModelSize& model_;
  const std::map<std::string, DatasetSize>& datasets_;
  // By step; the dense model under no name.
  std::map<std::string, ActiveShare> shares_;
  std::map<std::string, int64_t> num_clusters_;
  StepCost cost_;
};

absl::StatusOr<DatasetSize> SizeOf(const ExperimentDataset& dataset,
                                   const std::string& path,
                                   const Tokenizer& tokenizer,
                                   const LlamaConfig& config, ThreadPool& pool,
                                   Progress& progress) {
  DatasetRequest request;
  request.path = path;
  request.tokenizer = &tokenizer;
  request.embedding_rows = config.vocab_size;
  request.tokenize = dataset.tokenize();
  request.batch = dataset.batch();
  MOE_ASSIGN_OR_RETURN(const LoadedDataset loaded,
                       LoadDataset(request, pool, progress));
  const TokenSequences& sequences = loaded.batches.sequences();
  DatasetSize size;
  size.num_tokens = sequences.num_tokens();
  for (int64_t i = 0; i < sequences.num_sequences(); ++i) {
    const auto length = static_cast<int64_t>(sequences.input_ids(i).size());
    size.sum_squared_lengths += length * length;
  }
  return size;
}

std::string Row(const StepCost& cost) {
  return absl::StrFormat("  %-22s %10.3g %12s %12s %12s\n", cost.name,
                         cost.flops, FormatByteSize(cost.read_bytes),
                         FormatByteSize(cost.written_bytes),
                         FormatByteSize(cost.memory_bytes));
}

}  // namespace

std::vector<StepCost> CostsOfSteps(
    const ExperimentSpec& spec, const ModelSize& model,
    const std::map<std::string, DatasetSize>& datasets) {
  Estimator estimator(spec, model, datasets);
  std::vector<StepCost> costs;
  costs.reserve(static_cast<size_t>(spec.steps_size()));
  for (const ExperimentStep& step : spec.steps()) {
    costs.push_back(estimator.Estimate(step));
  }
  return costs;
}

absl::StatusOr<std::vector<StepCost>> EstimateSteps(
    const ExperimentSpec& spec, const ExperimentInputs::Places& places,
    Progress& progress) {
  MOE_ASSIGN_OR_RETURN(const int num_threads, NumThreadsFromEnvironment());
  MOE_ASSIGN_OR_RETURN(const Checkpoint checkpoint,
                       Checkpoint::Open(places.model));
  if (checkpoint.dense_config() == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(
        places.model, " is a Mixture of Experts; a dense model is wanted"));
  }
  ModelSize model;
  model.config = *checkpoint.dense_config();
  for (const SafetensorsFile& shard : checkpoint.tensors().shards()) {
    model.stored_bytes += static_cast<int64_t>(shard.size_bytes());
  }
  ThreadPool pool(num_threads);
  const ExperimentInputs inputs(places, progress);
  std::map<std::string, DatasetSize> datasets;
  for (const ExperimentDataset& dataset : spec.datasets()) {
    MOE_ASSIGN_OR_RETURN(const std::string path,
                         inputs.PathOf({"", InputSource::kData, dataset.name(),
                                        dataset.file()}));
    MOE_ASSIGN_OR_RETURN(
        const std::unique_ptr<Tokenizer> tokenizer,
        LoadTokenizer(places.model, TextEndsOf(dataset.tokenize())));
    MOE_ASSIGN_OR_RETURN(
        datasets[dataset.name()],
        SizeOf(dataset, path, *tokenizer, model.config, pool, progress));
  }
  return CostsOfSteps(spec, model, datasets);
}

std::string FormatCosts(const std::vector<StepCost>& costs) {
  std::string text =
      absl::StrFormat("Estimates:\n  %-22s %10s %12s %12s %12s\n", "step",
                      "FLOP", "read", "on disk", "memory");
  StepCost all;
  all.name = "all";
  for (const StepCost& cost : costs) {
    text += Row(cost);
    all.flops += cost.flops;
    all.read_bytes += cost.read_bytes;
    all.written_bytes += cost.written_bytes;
    all.memory_bytes = std::max(all.memory_bytes, cost.memory_bytes);
  }
  return text + Row(all);
}

}  // namespace moe
