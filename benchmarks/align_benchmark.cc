// Measures the time to record hidden distributions and to align a converted
// model, and compares it with a forward of the same model and tokens. All take
// turns in one run.
//
//   ./bazelw run //benchmarks:align_benchmark
//
// A row is KIND/layers/threads: 2048 tokens, in sequences of 512, through that
// many layers of SmolLM2's shape with random weights. Every walk packs the
// weights again, as the commands do.
//   forward_ms      a forward without taps and without the loss
//   record_ms       get_hidden_distribution
//   align_ms        the alignment, without writing the checkpoint
//   record_over_forward, align_over_forward   medians over the rounds
//   align_ms_per_layer   does not depend on the number of layers if the cost is
//                        linear in it

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "benchmark/benchmark.h"
#include "benchmarks/benchmark_main.h"
#include "benchmarks/measure.h"
#include "benchmarks/random_model.h"
#include "moe/align/align_model.h"
#include "moe/align/hidden_distribution.h"
#include "moe/base/check.h"
#include "moe/base/memory_budget.h"
#include "moe/base/progress.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/artifact/distribution.h"
#include "moe/model/walk/dense_walk.h"
#include "moe/model/walk/model.h"
#include "moe/model/walk/walk_options.h"
#include "moe/text/dataset/token_batches.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::benchmarks {
namespace {

constexpr int kNumRounds = 5;

struct Kind {
  absl::string_view name;
  absl::string_view fields;
};

// The published settings, and a model with MLP and attention experts.
constexpr Kind kKinds[] = {{"8-experts-top-2",
                            R"("intermediate_size": 192, "num_local_experts": 8,
        "num_experts_per_tok": 2, "scale_factor": 4.0)"},
                           {"7-experts-top-1-residual",
                            R"("intermediate_size": 192, "num_local_experts": 7,
        "num_experts_per_tok": 1, "intermediate_size_residual": 192)"},
                           {"8-experts-top-2-attention-top-2",
                            R"("intermediate_size": 192, "num_local_experts": 8,
        "num_experts_per_tok": 2, "scale_factor": 4.0, "use_attn_moe": true,
        "attn_experts": 3, "top_k_attn": 2, "scale_factor_attn": 3.0)"}};

// The vocabulary is small, because no row computes the loss.
std::string ConfigText(const Kind& kind, int64_t num_layers) {
  return absl::StrCat(
      R"({"model_type": "mixtral", "moe_type": "modulelist",
          "vocab_size": 1024, "hidden_size": 576, "num_attention_heads": 9,
          "num_key_value_heads": 3, "rms_norm_eps": 1e-5,
          "dense_intermediate_size": 1536, "num_hidden_layers": )",
      num_layers, ", ", kind.fields, "}");
}

void BM_Align(benchmark::State& state) {
  const Kind& kind = kKinds[state.range(0)];
  const int64_t num_layers = state.range(1);
  state.SetLabel(std::string(kind.name));
  const RandomCheckpoint checkpoint(ConfigText(kind, num_layers));
  base::MemoryBudget budget;
  base::ThreadPool pool(static_cast<int>(state.range(2)));
  base::Progress progress(base::Progress::Style::kSilent, {});
  const model::WalkResources resources = {budget, pool, progress};
  model::WalkOptions options;
  options.keep_weights = false;
  model::Model model = model::Model::Open(checkpoint.path()).value();
  const text::TokenBatches batches =
      RandomTokens(4, 512, model.config().vocab_size);
  const text::TokenSequences& sequences = batches.sequences();
  const auto record = [&] {
    return align::SumHiddenDistribution(model, sequences, {}, options,
                                        resources)
        .value();
  };
  const checkpoint::Distribution reference = record().ToDistribution().value();
  const std::vector<std::function<void()>> bodies = {
      [&] {
        MOE_CHECK(
            model::WalkForward(model, sequences, options, nullptr, resources)
                .ok());
      },
      [&] { record(); },
      [&] {
        MOE_CHECK(align::AlignModel(model,
                                    {sequences, reference, "reference", {}},
                                    options, resources)
                      .ok());
      }};
  std::vector<std::vector<double>> seconds;
  for (auto _ : state) seconds = TimeInTurn(kNumRounds, bodies);
  state.counters["forward_ms"] = 1e3 * Median(seconds[0]);
  state.counters["record_ms"] = 1e3 * Median(seconds[1]);
  state.counters["align_ms"] = 1e3 * Median(seconds[2]);
  state.counters["record_over_forward"] = MedianRatio(seconds[1], seconds[0]);
  state.counters["align_over_forward"] = MedianRatio(seconds[2], seconds[0]);
  state.counters["align_ms_per_layer"] =
      1e3 * Median(seconds[2]) / static_cast<double>(num_layers);
}

BENCHMARK(BM_Align)
    ->ArgNames({"kind", "layers", "threads"})
    ->ArgsProduct({{0, 1, 2}, {4, 8, 16, 32}, {1, 2}})
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace moe::benchmarks

int main(int argc, char** argv) {
  return moe::benchmarks::RunBenchmarks(argc, argv);
}
