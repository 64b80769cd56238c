#include "benchmarks/walk_benchmark.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "benchmark/benchmark.h"
#include "benchmarks/layer_benchmark.h"
#include "benchmarks/measure.h"
#include "benchmarks/random_model.h"
#include "moe/base/check.h"
#include "moe/base/memory_budget.h"
#include "moe/base/progress.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/model/layer/linear.h"
#include "moe/model/walk/dense_model.h"
#include "moe/model/walk/dense_walk.h"
#include "moe/model/walk/dense_walk_back.h"
#include "moe/model/walk/hidden_states.h"
#include "moe/model/walk/token_losses.h"
#include "moe/model/walk/walk_options.h"
#include "moe/model/walk/weighted_sequences.h"
#include "moe/text/dataset/token_batches.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::benchmarks {
namespace {

constexpr int kNumRounds = 3;
void BM_Walk(benchmark::State& state, absl::string_view config_text) {
  const int64_t num_tokens = state.range(0);
  const auto num_threads = static_cast<int>(state.range(1));
  const RandomCheckpoint checkpoint(config_text);
  base::MemoryBudget budget;
  base::ThreadPool pool(num_threads);
  base::Progress progress(base::Progress::Style::kSilent, {});
  const model::WalkResources resources = {budget, pool, progress};
  model::DenseModel model = model::DenseModel::Open(checkpoint.path()).value();
  MOE_CHECK(model.Keep(model::LayerPasses::kForwardAndBackward, budget));
  const text::TokenBatches batches =
      RandomTokens(1, num_tokens, model.config().vocab_size);
  const text::TokenSequences& sequences = batches.sequences();
  const model::WeightedSequences all = model::WeighByBatch(batches);
  double peak_flops = 0.0;
  const std::vector<std::function<void()>> bodies = {
      [&] {
        model::HiddenStates hidden =
            model::WalkForward(model, sequences, {}, nullptr, resources)
                .value();
        MOE_CHECK(model::TokenLosses(model, sequences, hidden, resources).ok());
      },
      [&] {
        MOE_CHECK(model::WalkBack(model, all, {}, nullptr, resources).ok());
      },
      [&] { peak_flops = RunPeakFlopsOnAllThreads(pool); }};
  for (const auto& body : bodies) body();
  std::vector<std::vector<double>> seconds;
  for (auto _ : state) seconds = TimeInTurn(kNumRounds, bodies);
  const double flops = ModelForwardFlops(model.config(), num_tokens);
  state.counters["tokens_per_sec"] =
      static_cast<double>(num_tokens) / Median(seconds[0]);
  state.counters["mfu"] =
      MedianRatio(seconds[2], seconds[0]) * flops / peak_flops;
  state.counters["backward_over_forward"] =
      MedianRatio(seconds[1], seconds[0]) - 1.0;
}

}  // namespace

double ModelForwardFlops(const checkpoint::LlamaConfig& config,
                         int64_t num_tokens) {
  return static_cast<double>(config.num_hidden_layers) *
             LayerForwardFlops(config, num_tokens) +
         2.0 * static_cast<double>(num_tokens) *
             static_cast<double>(config.hidden_size) *
             static_cast<double>(config.vocab_size);
}

void RegisterWalkBenchmarks() {
  benchmark::RegisterBenchmark(
      "Walk/SmolLM2-135M",
      [](benchmark::State& state) { BM_Walk(state, kSmolLm2); })
      ->ArgNames({"tokens", "threads"})
      ->ArgsProduct({{512, 4096}, {1, 2}})
      ->Iterations(1)
      ->Unit(benchmark::kMillisecond);
}

}  // namespace moe::benchmarks
