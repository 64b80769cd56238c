#include "benchmarks/walk_benchmark.h"

#include <stdlib.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "benchmark/benchmark.h"
#include "benchmarks/layer_benchmark.h"
#include "benchmarks/measure.h"
#include "moe/base/check.h"
#include "moe/base/memory_budget.h"
#include "moe/base/philox.h"
#include "moe/base/progress.h"
#include "moe/base/spill_file.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/checkpoint_writer.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/json.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/tensor.h"
#include "moe/checkpoint/tensor_set.h"
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

namespace moe {
namespace {

constexpr int kNumRounds = 3;
constexpr char kSmolLm2[] = R"({"model_type": "llama", "vocab_size": 49152,
  "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30,
  "num_attention_heads": 9, "num_key_value_heads": 3, "rope_theta": 100000,
  "rms_norm_eps": 1e-5, "tie_word_embeddings": true})";

// BF16, of variance 1 / (last dimension); norms are ones.
std::string RandomBytes(const TensorSpec& tensor) {
  RandomStream stream(/*seed=*/1, tensor.name);
  const auto bound = static_cast<float>(
      std::sqrt(3.0 / static_cast<double>(tensor.shape.back())));
  std::string bytes(static_cast<size_t>(NumBytes(tensor)), '\0');
  for (size_t at = 0; at < bytes.size(); at += sizeof(uint16_t)) {
    const float value =
        tensor.shape.size() == 1 ? 1.0f : stream.UniformSymmetric(bound);
    const auto half =
        static_cast<uint16_t>(std::bit_cast<uint32_t>(value) >> 16);
    std::memcpy(bytes.data() + at, &half, sizeof(half));
  }
  return bytes;
}

// A checkpoint with random weights, gone with the object.
class RandomCheckpoint {
 public:
  explicit RandomCheckpoint(absl::string_view config_text) {
    std::string path = absl::StrCat(SpillDirectory(), "/model-XXXXXX");
    MOE_CHECK(::mkdtemp(path.data()) != nullptr);
    directory_ = path;
    const LlamaConfig config = ParseLlamaConfig(config_text).value();
    CheckpointPlan plan;
    plan.contents["config.json"] = FormatJson(config.document);
    plan.shards.push_back({"model.safetensors", {}, {{"format", "pt"}}});
    for (const auto& [name, shape] : DenseTensorSet(config)) {
      plan.shards[0].tensors.push_back({name, Dtype::kBF16, shape});
    }
    const auto writer =
        CheckpointWriter::Create(this->path(), plan, {}).value();
    for (const TensorSpec& tensor : plan.shards[0].tensors) {
      MOE_CHECK(writer->Append(RandomBytes(tensor)).ok());
    }
    MOE_CHECK(writer->Finish().ok());
  }
  RandomCheckpoint(const RandomCheckpoint&) = delete;
  RandomCheckpoint& operator=(const RandomCheckpoint&) = delete;
  ~RandomCheckpoint() {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  std::string path() const { return absl::StrCat(directory_, "/checkpoint"); }

 private:
  std::string directory_;
};

TokenBatches RandomTokens(int64_t num_tokens, int64_t vocab_size) {
  RandomStream stream(/*seed=*/1, "tokens");
  std::vector<int32_t> ids;
  for (int64_t t = 0; t < num_tokens; ++t) {
    ids.push_back(static_cast<int32_t>(
        stream.UniformInt(static_cast<uint64_t>(vocab_size))));
  }
  TokenSequences sequences;
  sequences.Append(ids, ids);
  return TokenBatches(std::move(sequences), /*batch_size=*/1);
}

void BM_Walk(benchmark::State& state, absl::string_view config_text) {
  const int64_t num_tokens = state.range(0);
  const auto num_threads = static_cast<int>(state.range(1));
  const RandomCheckpoint checkpoint(config_text);
  MemoryBudget budget;
  ThreadPool pool(num_threads);
  Progress progress(Progress::Style::kSilent, {});
  const WalkResources resources = {budget, pool, progress};
  DenseModel model = DenseModel::Open(checkpoint.path()).value();
  MOE_CHECK(model.Keep(LayerPasses::kForwardAndBackward, budget));
  const TokenBatches batches =
      RandomTokens(num_tokens, model.config().vocab_size);
  const TokenSequences& sequences = batches.sequences();
  const WeightedSequences all = WeighByBatch(batches);
  double peak_flops = 0.0;
  const std::vector<std::function<void()>> bodies = {
      [&] {
        HiddenStates hidden =
            WalkForward(model, sequences, {}, nullptr, resources).value();
        MOE_CHECK(TokenLosses(model, sequences, hidden, resources).ok());
      },
      [&] { MOE_CHECK(WalkBack(model, all, {}, nullptr, resources).ok()); },
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

double ModelForwardFlops(const LlamaConfig& config, int64_t num_tokens) {
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

}  // namespace moe
