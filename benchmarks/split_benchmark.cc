// Measures the time to split neurons by gradients.
//
//   BM_GetGrads  importance scores, over a forward of the same tokens, with and
//                without the loss
//   BM_Split     assigns the neurons of all layers to experts

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

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
#include "moe/checkpoint/artifact/importance_scores.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/model/walk/dense_model.h"
#include "moe/model/walk/dense_walk.h"
#include "moe/model/walk/dense_walk_back.h"
#include "moe/model/walk/hidden_states.h"
#include "moe/model/walk/token_losses.h"
#include "moe/model/walk/walk_options.h"
#include "moe/model/walk/weighted_sequences.h"
#include "moe/split/neuron_importance.h"
#include "moe/split/neuron_split.h"
#include "moe/split/split_options.pb.h"
#include "moe/text/dataset/token_batches.h"

namespace moe::benchmarks {
namespace {

constexpr int kNumRounds = 3;
constexpr int64_t kNumExperts = 8;

base::Matrix<float> RandomMatrix(int64_t rows, int64_t cols,
                                 base::RandomStream& stream) {
  base::Matrix<float> matrix(rows, cols);
  for (float& value : matrix.values()) value = stream.UniformSymmetric(1.0f);
  return matrix;
}

checkpoint::GateWeights RandomGates(const checkpoint::LlamaConfig& config) {
  base::RandomStream stream(/*seed=*/1, "gates");
  checkpoint::GateWeights gates;
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    gates.layers.push_back(
        RandomMatrix(kNumExperts, config.hidden_size, stream));
  }
  return gates;
}

void BM_GetGrads(benchmark::State& state) {
  const int64_t num_tokens = state.range(0);
  const auto num_threads = static_cast<int>(state.range(1));
  const RandomCheckpoint checkpoint(kSmolLm2);
  base::MemoryBudget budget;
  base::ThreadPool pool(num_threads);
  base::Progress progress(base::Progress::Style::kSilent, {});
  const model::WalkResources resources = {budget, pool, progress};
  // Each walk packs the weights again, as the command does.
  model::WalkOptions options;
  options.keep_weights = false;
  model::DenseModel model = model::DenseModel::Open(checkpoint.path()).value();
  const text::TokenBatches batches =
      RandomTokens(4, num_tokens / 4, model.config().vocab_size);
  const checkpoint::GateWeights gates = RandomGates(model.config());
  const model::WeightedSequences all = model::WeighByBatch(batches);
  const std::vector<std::function<void()>> bodies = {
      [&] {
        model::HiddenStates hidden =
            model::WalkForward(model, batches.sequences(), options, nullptr,
                               resources)
                .value();
        MOE_CHECK(
            model::TokenLosses(model, batches.sequences(), hidden, resources)
                .ok());
      },
      [&] {
        MOE_CHECK(model::WalkForward(model, batches.sequences(), options,
                                     nullptr, resources)
                      .ok());
      },
      [&] {
        MOE_CHECK(
            model::WalkBack(model, all, options, nullptr, resources).ok());
      },
      [&] {
        MOE_CHECK(split::SumNeuronImportance(model, {batches, gates, {}},
                                             options, resources)
                      .ok());
      }};
  bodies[0]();
  std::vector<std::vector<double>> seconds;
  for (auto _ : state) seconds = TimeInTurn(kNumRounds, bodies);
  state.counters["sec"] = Median(seconds[3]);
  state.counters["over_forward"] = MedianRatio(seconds[3], seconds[0]);
  state.counters["over_forward_without_loss"] =
      MedianRatio(seconds[3], seconds[1]);
  state.counters["over_walk_back"] = MedianRatio(seconds[3], seconds[2]);
}

// The size of the published setting, which is that of LLaMA 3 8B.
void BM_Split(benchmark::State& state) {
  constexpr int64_t kNumLayers = 32, kIntermediateSize = 14336;
  const bool has_residual = state.range(0) != 0;
  base::ThreadPool pool(static_cast<int>(state.range(1)));
  base::RandomStream stream(/*seed=*/1, "scores");
  VanillaSplitOptions vanilla;
  vanilla.set_num_experts(kNumExperts);
  ResidualSplitOptions residual;
  residual.set_num_experts_moe(kNumExperts - 1);
  residual.set_num_experts_residual(1);
  checkpoint::ImportanceScores scores;
  for (int64_t i = 0; i < kNumLayers; ++i) {
    scores.layers.push_back(
        {RandomMatrix(has_residual ? kNumExperts - 1 : kNumExperts,
                      kIntermediateSize, stream),
         {}});
  }
  for (auto _ : state) {
    MOE_CHECK(has_residual
                  ? split::SplitNeuronsWithResidual(scores, residual, pool).ok()
                  : split::SplitNeurons(scores, vanilla, pool).ok());
  }
}

BENCHMARK(BM_GetGrads)
    ->ArgNames({"tokens", "threads"})
    ->ArgsProduct({{2048}, {1, 2}})
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);
BENCHMARK(BM_Split)
    ->ArgNames({"residual", "threads"})
    ->ArgsProduct({{0, 1}, {1, 2}})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace
}  // namespace moe::benchmarks

int main(int argc, char** argv) {
  return moe::benchmarks::RunBenchmarks(argc, argv);
}
