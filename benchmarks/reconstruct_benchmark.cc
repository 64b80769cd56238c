// Measures the time to refit a converted model to the dense one, and compares
// it with a forward of the dense model on the same tokens. Both take turns in
// one run.
//
//   ./bazelw run //benchmarks:reconstruct_benchmark
//
// BM_Reconstruct/kind/layers/threads: 8192 tokens, in sequences of 512, through
// that many layers of SmolLM2's shape with random weights.
//   forward_ms      a forward of the dense model, without taps and the loss
//   reconstruct_ms  the refit, without writing the checkpoint
//   reconstruct_over_forward   the median over the rounds
//   reconstruct_ms_per_layer   does not depend on the number of layers if the
//                              cost is linear in it
//
// BM_ReconstructLarge/threads: 2048 tokens through a layer of Llama 3 8B's
// shape. It gives the time and the peak memory of the process.

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "benchmark/benchmark.h"
#include "benchmarks/benchmark_main.h"
#include "benchmarks/measure.h"
#include "benchmarks/random_model.h"
#include "moe/base/check.h"
#include "moe/base/matrix.h"
#include "moe/base/memory_budget.h"
#include "moe/base/philox.h"
#include "moe/base/progress.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/convert/convert_mlp.h"
#include "moe/convert/mlp_options.pb.h"
#include "moe/model/walk/dense_walk.h"
#include "moe/model/walk/model.h"
#include "moe/model/walk/walk_options.h"
#include "moe/reconstruct/reconstruct_model.h"
#include "moe/text/dataset/token_batches.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::benchmarks {
namespace {

constexpr int kNumRounds = 3;

// The residual expert has as many neurons as `num_residual` routed experts.
struct Kind {
  absl::string_view name;
  int64_t num_experts, num_residual, top_k;
};
constexpr Kind kKinds[] = {{"52-experts-top-4-residual-12", 52, 12, 4},
                           {"7-experts-top-1-residual-1", 7, 1, 1}};

// The vocabulary is small, because no row computes the loss.
std::string SmolLm2Layers(int64_t num_layers) {
  return absl::StrCat(
      R"({"model_type": "llama", "vocab_size": 1024, "hidden_size": 576,
          "intermediate_size": 1536, "num_attention_heads": 9,
          "num_key_value_heads": 3, "rms_norm_eps": 1e-5,
          "num_hidden_layers": )",
      num_layers, "}");
}

constexpr char kLlama3Layer[] =
    R"({"model_type": "llama", "vocab_size": 1024, "hidden_size": 4096,
        "intermediate_size": 14336, "num_attention_heads": 32,
        "num_key_value_heads": 8, "rms_norm_eps": 1e-5,
        "num_hidden_layers": 1})";

checkpoint::GateWeights DrawnGates(const Kind& kind,
                                   const checkpoint::LlamaConfig& config) {
  checkpoint::GateWeights gates;
  base::RandomStream stream(1, "gates");
  for (int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    base::Matrix<float> gate(kind.num_experts, config.hidden_size);
    for (float& value : gate.values()) value = stream.UniformSymmetric(0.1f);
    gates.layers.push_back(std::move(gate));
  }
  return gates;
}

// The neurons in their order: first the residual expert's, then each expert's.
checkpoint::NeuronIndices NeuronsInOrder(
    const Kind& kind, const checkpoint::LlamaConfig& config) {
  const int64_t size =
      config.intermediate_size / (kind.num_experts + kind.num_residual);
  checkpoint::LayerNeuronIndices layer;
  layer.residual.emplace();
  int64_t next = 0;
  while (next < size * kind.num_residual) layer.residual->push_back(next++);
  layer.experts = base::Matrix<int64_t>(kind.num_experts, size);
  for (int64_t& neuron : layer.experts.values()) neuron = next++;
  checkpoint::NeuronIndices indices;
  indices.layers.assign(static_cast<size_t>(config.num_hidden_layers), layer);
  return indices;
}

// A dense model and the model converted from it, in neighbouring folders.
class Models {
 public:
  Models(const Kind& kind, absl::string_view config_text,
         base::ThreadPool& pool)
      : checkpoint_(config_text) {
    const checkpoint::Checkpoint dense =
        checkpoint::Checkpoint::Open(checkpoint_.path()).value();
    const checkpoint::LlamaConfig& config = *dense.dense_config();
    const checkpoint::GateWeights gates = DrawnGates(kind, config);
    const checkpoint::NeuronIndices indices = NeuronsInOrder(kind, config);
    MlpConversionOptions options;
    options.set_kind(MlpConversionOptions::RESIDUAL);
    options.set_num_experts(kind.num_experts);
    options.set_top_k(kind.top_k);
    options.set_scale_factor(static_cast<double>(kind.top_k));
    base::Progress progress(base::Progress::Style::kSilent, {});
    const std::string path = absl::StrCat(checkpoint_.path(), "_converted");
    MOE_CHECK(convert::ConvertMlp(dense, options, {&gates, "", &indices, ""},
                                  {path}, {pool, progress})
                  .ok());
    models_.push_back(model::Model::Open(checkpoint_.path()).value());
    models_.push_back(model::Model::Open(path).value());
  }

  model::Model& dense() { return models_[0]; }
  model::Model& converted() { return models_[1]; }

 private:
  const RandomCheckpoint checkpoint_;
  std::vector<model::Model> models_;
};

model::WalkOptions OneWalk() {
  model::WalkOptions options;
  options.keep_weights = false;
  return options;
}

void Refit(Models& models, const text::TokenSequences& sequences,
           const model::WalkResources& resources) {
  MOE_CHECK(reconstruct::ReconstructModel(
                {models.dense(), models.converted(), sequences, {}}, OneWalk(),
                resources)
                .ok());
}

void BM_Reconstruct(benchmark::State& state) {
  const Kind& kind = kKinds[state.range(0)];
  const int64_t num_layers = state.range(1);
  state.SetLabel(std::string(kind.name));
  base::MemoryBudget budget;
  base::ThreadPool pool(static_cast<int>(state.range(2)));
  base::Progress progress(base::Progress::Style::kSilent, {});
  const model::WalkResources resources = {budget, pool, progress};
  Models models(kind, SmolLm2Layers(num_layers), pool);
  const text::TokenBatches batches = RandomTokens(16, 512, 1024);
  const text::TokenSequences& sequences = batches.sequences();
  const std::vector<std::function<void()>> bodies = {
      [&] {
        MOE_CHECK(model::WalkForward(models.dense(), sequences, OneWalk(),
                                     nullptr, resources)
                      .ok());
      },
      [&] { Refit(models, sequences, resources); }};
  std::vector<std::vector<double>> seconds;
  for (auto _ : state) seconds = TimeInTurn(kNumRounds, bodies);
  state.counters["forward_ms"] = 1e3 * Median(seconds[0]);
  state.counters["reconstruct_ms"] = 1e3 * Median(seconds[1]);
  state.counters["reconstruct_over_forward"] =
      MedianRatio(seconds[1], seconds[0]);
  state.counters["reconstruct_ms_per_layer"] =
      1e3 * Median(seconds[1]) / static_cast<double>(num_layers);
}

BENCHMARK(BM_Reconstruct)
    ->ArgNames({"kind", "layers", "threads"})
    ->ArgsProduct({{0, 1}, {2, 4}, {1, 2}})
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);

void BM_ReconstructLarge(benchmark::State& state) {
  base::MemoryBudget budget;
  base::ThreadPool pool(static_cast<int>(state.range(0)));
  base::Progress progress(base::Progress::Style::kSilent, {});
  const model::WalkResources resources = {budget, pool, progress};
  Models models(kKinds[0], kLlama3Layer, pool);
  const text::TokenBatches batches = RandomTokens(4, 512, 1024);
  for (auto _ : state) Refit(models, batches.sequences(), resources);
  state.counters["peak_mib"] =
      static_cast<double>(base::PeakResidentBytes()) / (1 << 20);
}

BENCHMARK(BM_ReconstructLarge)
    ->ArgName("threads")
    ->Arg(2)
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace moe::benchmarks

int main(int argc, char** argv) {
  return moe::benchmarks::RunBenchmarks(argc, argv);
}
