#include "benchmarks/layer_benchmark.h"

#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "benchmark/benchmark.h"
#include "benchmarks/measure.h"
#include "benchmarks/peak_flops.h"
#include "moe/base/check.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/philox.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/model/layer/attention.h"
#include "moe/model/layer/decoder_layer.h"
#include "moe/model/layer/decoder_layer_weights.h"
#include "moe/model/layer/linear.h"
#include "moe/model/layer/rotary_tables.h"

namespace moe::benchmarks {
namespace {

checkpoint::LlamaConfig SmolLm2() {
  checkpoint::LlamaConfig config;
  config.hidden_size = 576;
  config.intermediate_size = 1536;
  config.num_attention_heads = 9;
  config.num_key_value_heads = 3;
  config.head_dim = 64;
  config.rms_norm_eps = 1e-5;
  config.rope.theta = 100000.0;
  return config;
}

checkpoint::LlamaConfig Llama8B() {
  checkpoint::LlamaConfig config;
  config.hidden_size = 4096;
  config.intermediate_size = 14336;
  config.num_attention_heads = 32;
  config.num_key_value_heads = 8;
  config.head_dim = 128;
  config.rms_norm_eps = 1e-5;
  config.rope.theta = 500000.0;
  return config;
}

// Numbers of variance 1 / cols, so that the outputs of a product have the scale
// of its inputs.
base::Matrix<float> RandomMatrix(absl::string_view name, int64_t rows,
                                 int64_t cols) {
  base::RandomStream stream(/*seed=*/1, name);
  const auto bound =
      static_cast<float>(std::sqrt(3.0 / static_cast<double>(cols)));
  base::Matrix<float> matrix(rows, cols);
  for (int64_t r = 0; r < rows; ++r) {
    for (float& value : matrix.view().Row(r)) {
      value = stream.UniformSymmetric(bound);
    }
  }
  return matrix;
}

model::Linear RandomLinear(absl::string_view name, int64_t out, int64_t in,
                           base::ThreadPool& pool) {
  const base::Matrix<float> weight = RandomMatrix(name, out, in);
  return model::PackLinear(weight.view(), {},
                           model::LayerPasses::kForwardAndBackward, pool);
}

model::DecoderLayerWeights RandomWeights(const checkpoint::LlamaConfig& config,
                                         base::ThreadPool& pool) {
  const int64_t h = config.hidden_size, i = config.intermediate_size;
  const int64_t q = config.QuerySize(), k = config.KeyValueSize();
  model::DecoderLayerWeights weights;
  weights.input_norm.assign(static_cast<size_t>(h), 1.0f);
  weights.post_attention_norm = weights.input_norm;
  weights.attention.query = RandomLinear("query", q, h, pool);
  weights.attention.key = RandomLinear("key", k, h, pool);
  weights.attention.value = RandomLinear("value", k, h, pool);
  weights.attention.output = RandomLinear("output", h, q, pool);
  weights.mlp.gate = RandomLinear("gate", i, h, pool);
  weights.mlp.up = RandomLinear("up", i, h, pool);
  weights.mlp.down = RandomLinear("down", h, i, pool);
  return weights;
}

// Rounds of fused multiply-adds that take a thread about 60 ms.
constexpr int64_t kPeakRounds = 10'000'000;

// The number of rounds for a forward of so many operations. The largest layer
// takes minutes.
int NumRounds(double flops) { return flops > 1e12 ? 3 : 7; }

void BM_Layer(benchmark::State& state, const checkpoint::LlamaConfig& config) {
  const int64_t num_tokens = state.range(0);
  const auto num_threads = static_cast<int>(state.range(1));
  base::ThreadPool pool(num_threads);
  const model::DecoderLayerWeights weights = RandomWeights(config, pool);
  const model::RotaryTables rotary =
      model::RotaryTables::Create(config, {num_tokens}, pool).value();
  const model::DecoderLayer layer = {&config, &weights, &rotary, {}};
  const std::vector<int64_t> offsets = {0, num_tokens};
  const base::Matrix<float> x =
      RandomMatrix("x", num_tokens, config.hidden_size);
  const base::Matrix<float> dy =
      RandomMatrix("dy", num_tokens, config.hidden_size);
  base::Matrix<float> y(num_tokens, config.hidden_size);
  base::Matrix<float> dx(num_tokens, config.hidden_size);
  base::Matrix<float> output(num_tokens, config.hidden_size);
  model::LayerForward forward;
  forward.attention = {output.view(), {}};
  forward.mlp = {output.view(), {}};
  forward.hidden = y.view();
  model::SavedAttention saved;
  model::LayerTaps taps;
  taps.saved_attention = &saved;
  const model::LayerGradients gradients = {dy.view(), dx.view(), nullptr,
                                           &saved};
  double peak_flops = 0.0;
  const std::vector<std::function<void()>> bodies = {
      [&] {
        MOE_CHECK(model::DecoderLayerForward(layer, {offsets, x.view()}, taps,
                                             forward, pool)
                      .ok());
      },
      [&] {
        MOE_CHECK(model::DecoderLayerBackward(layer, {offsets, x.view()},
                                              gradients, pool)
                      .ok());
      },
      [&] { peak_flops = RunPeakFlopsOnAllThreads(pool); }};
  for (const auto& body : bodies) body();
  const double flops = LayerForwardFlops(config, num_tokens);
  std::vector<std::vector<double>> seconds;
  for (auto _ : state) seconds = TimeInTurn(NumRounds(flops), bodies);
  state.counters["forward_ms"] = Median(seconds[0]) * 1e3;
  state.counters["peak_gflops"] = peak_flops / Median(seconds[2]) / 1e9;
  state.counters["mfu"] =
      MedianRatio(seconds[2], seconds[0]) * flops / peak_flops;
  state.counters["backward_over_forward"] = MedianRatio(seconds[1], seconds[0]);
}

}  // namespace

double LayerForwardFlops(const checkpoint::LlamaConfig& config,
                         int64_t num_tokens) {
  const auto t = static_cast<double>(num_tokens);
  const auto h = static_cast<double>(config.hidden_size);
  const auto i = static_cast<double>(config.intermediate_size);
  const auto q = static_cast<double>(config.QuerySize());
  const auto k = static_cast<double>(config.KeyValueSize());
  return 2 * t * (2 * h * q + 2 * h * k + 3 * h * i) + 2 * t * (t + 1) * q;
}

double RunPeakFlopsOnAllThreads(base::ThreadPool& pool) {
  double flops = 0.0;
  pool.ParallelFor(0, pool.num_threads(), /*grain=*/1,
                   [&](int64_t begin, int64_t) {
                     const double own = RunPeakFlops(kPeakRounds);
                     if (begin == 0) flops = own * pool.num_threads();
                   });
  return flops;
}

void RegisterLayerBenchmarks() {
  const auto add = [](const char* name, const checkpoint::LlamaConfig& config) {
    benchmark::RegisterBenchmark(
        name, [config](benchmark::State& state) { BM_Layer(state, config); })
        ->ArgNames({"tokens", "threads"})
        ->ArgsProduct({{512, 4096}, {1, 2}})
        ->Iterations(1)
        ->Unit(benchmark::kMillisecond);
  };
  add("Layer/SmolLM2-135M", SmolLm2());
  add("Layer/LLaMA-8B", Llama8B());
}

}  // namespace moe::benchmarks
