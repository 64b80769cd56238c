// Compares the forward of a model with experts with the forward of the dense
// model that it could be made from. Both take turns in one run.
//
//   ./bazelw run //benchmarks:moe_benchmark
//
// MODEL/KIND/tokens/threads: that many tokens, in sequences of 512, through a
// few layers of the model's shape with random weights. Both models keep their
// weights packed. The loss, which is the same for both, is left out.
//   dense_ms, moe_ms   a forward of each model
//   active_over_dense  MoeFlops over DenseFlops: the floating-point operations
//                      of attention and of the products with weights, with
//                      experts over without, for the experts that the routers
//                      chose
//   time_over_flops    (moe_ms / dense_ms) / active_over_dense, the median over
//                      the rounds; at 1, an operation takes as long as in the
//                      dense model

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "benchmark/benchmark.h"
#include "benchmarks/benchmark_main.h"
#include "benchmarks/layer_benchmark.h"
#include "benchmarks/measure.h"
#include "benchmarks/random_model.h"
#include "moe/base/check.h"
#include "moe/base/memory_budget.h"
#include "moe/base/progress.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/model/layer/expert_routing.h"
#include "moe/model/layer/layer_batch.h"
#include "moe/model/layer/linear.h"
#include "moe/model/walk/dense_walk.h"
#include "moe/model/walk/model.h"
#include "moe/model/walk/walk_options.h"
#include "moe/model/walk/walk_tap.h"
#include "moe/text/dataset/token_batches.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::benchmarks {
namespace {

// The number of rounds for a dense forward of so many operations.
int NumRounds(double flops) { return flops > 1e12 ? 3 : 7; }

constexpr int64_t kSequenceLength = 512;

// What the dense model and the models with experts share. The vocabulary is
// small, because the loss is left out.
struct Shape {
  absl::string_view name;
  absl::string_view fields;
  int64_t intermediate_size;
};

constexpr Shape kShapes[] = {
    {"SmolLM2-135M",
     R"("vocab_size": 1024, "hidden_size": 576, "num_attention_heads": 9,
        "num_key_value_heads": 3, "num_hidden_layers": 12,
        "rms_norm_eps": 1e-5)",
     1536},
    // One layer.
    {"LLaMA-8B",
     R"("vocab_size": 1024, "hidden_size": 4096, "num_attention_heads": 32,
        "num_key_value_heads": 8, "num_hidden_layers": 1,
        "rms_norm_eps": 1e-5)",
     14336}};

struct Kind {
  absl::string_view name;
  int64_t num_experts;  // Including the residual one.
  absl::string_view fields;
};

constexpr Kind kKinds[] = {
    {"8-experts-top-2", 8,
     R"("num_local_experts": 8, "num_experts_per_tok": 2)"},
    {"7-experts-top-1-residual", 8,
     R"("num_local_experts": 7, "num_experts_per_tok": 1,
        "intermediate_size_residual": RESIDUAL)"},
    {"8-experts-top-2-attention-top-2", 8,
     R"("num_local_experts": 8, "num_experts_per_tok": 2,
        "use_attn_moe": true, "attn_experts": KV_HEADS, "top_k_attn": 2)"}};

std::string DenseConfig(const Shape& shape) {
  return absl::StrCat(R"({"model_type": "llama", )", shape.fields,
                      R"(, "intermediate_size": )", shape.intermediate_size,
                      "}");
}

std::string MoeConfigText(const Shape& shape, const Kind& kind) {
  const int64_t expert_size = shape.intermediate_size / kind.num_experts;
  const checkpoint::LlamaConfig dense =
      checkpoint::ParseLlamaConfig(DenseConfig(shape)).value();
  const std::string fields = absl::StrReplaceAll(
      kind.fields, {{"RESIDUAL", absl::StrCat(expert_size)},
                    {"KV_HEADS", absl::StrCat(dense.num_key_value_heads)}});
  return absl::StrCat(R"({"model_type": "mixtral", "moe_type": "modulelist", )",
                      shape.fields, R"(, "intermediate_size": )", expert_size,
                      R"(, "dense_intermediate_size": )",
                      shape.intermediate_size, ", ", fields, "}");
}

// Counts the operations of the chosen experts, as LayerForwardFlops does.
class FlopsTap : public model::WalkTap {
 public:
  explicit FlopsTap(const checkpoint::MoeConfig& config) : config_(config) {}

  absl::Status OnRouting(
      const model::TapContext& context, model::DecoderBlock block,
      const std::vector<model::ExpertTokens>& experts) override {
    const auto h = static_cast<double>(config_.decoder.hidden_size);
    for (const model::ExpertTokens& expert : experts) {
      const auto rows = static_cast<double>(expert.rows.size());
      if (block == model::DecoderBlock::kMlp) {
        flops += 2 * rows * 3 * h *
                 static_cast<double>(config_.expert_intermediate_size);
      } else {
        AddAttention(context, expert.rows);
      }
    }
    return absl::OkStatus();
  }

  double flops = 0.0;

 private:
  // The projections of each token, and the attention between the tokens of a
  // sequence.
  void AddAttention(const model::TapContext& context,
                    const std::vector<int64_t>& rows) {
    const checkpoint::LlamaConfig& decoder = config_.decoder;
    const auto h = static_cast<double>(decoder.hidden_size);
    const auto q = static_cast<double>(decoder.QuerySize()) /
                   static_cast<double>(config_.attn_experts);
    const auto k = static_cast<double>(decoder.head_dim);
    size_t at = 0;
    for (size_t s = 1; s < context.group.offsets.size(); ++s) {
      double count = 0.0;
      for (; at < rows.size() && rows[at] < context.group.offsets[s]; ++at) {
        ++count;
      }
      flops +=
          2 * count * (2 * h * q + 2 * h * k) + 2 * count * (count + 1) * q;
    }
  }

  const checkpoint::MoeConfig& config_;
};

// The operations of all layers.
double DenseFlops(const checkpoint::LlamaConfig& config,
                  const text::TokenSequences& sequences) {
  double flops = 0.0;
  for (int64_t s = 0; s < sequences.num_sequences(); ++s) {
    flops += LayerForwardFlops(
        config, static_cast<int64_t>(sequences.input_ids(s).size()));
  }
  return flops * static_cast<double>(config.num_hidden_layers);
}

double MoeFlops(model::Model& model, const text::TokenSequences& sequences,
                const model::WalkResources& resources) {
  const checkpoint::MoeConfig& config = *model.moe_config();
  FlopsTap tap(config);
  MOE_CHECK(model::WalkForward(model, sequences, {}, &tap, resources).ok());
  // Every token also goes through dense attention and the residual expert.
  // Routers are not counted.
  checkpoint::LlamaConfig rest = config.decoder;
  rest.intermediate_size = config.intermediate_size_residual.value_or(0);
  if (!config.use_attn_moe) return tap.flops + DenseFlops(rest, sequences);
  const auto tokens = static_cast<double>(sequences.num_tokens());
  return tap.flops + 2 * tokens * 3 * static_cast<double>(rest.hidden_size) *
                         static_cast<double>(rest.intermediate_size) *
                         static_cast<double>(rest.num_hidden_layers);
}

void BM_Moe(benchmark::State& state, const Shape& shape, const Kind& kind) {
  const int64_t num_tokens = state.range(0);
  base::MemoryBudget budget;
  base::ThreadPool pool(static_cast<int>(state.range(1)));
  base::Progress progress(base::Progress::Style::kSilent, {});
  const model::WalkResources resources = {budget, pool, progress};
  const RandomCheckpoint dense_checkpoint(DenseConfig(shape));
  const RandomCheckpoint moe_checkpoint(MoeConfigText(shape, kind));
  model::Model dense = model::Model::Open(dense_checkpoint.path()).value();
  model::Model moe = model::Model::Open(moe_checkpoint.path()).value();
  for (model::Model* const model : {&dense, &moe}) {
    MOE_CHECK(model->Keep(model::LayerPasses::kForward, budget));
  }
  const text::TokenBatches batches = RandomTokens(
      num_tokens / kSequenceLength, kSequenceLength, dense.config().vocab_size);
  const text::TokenSequences& sequences = batches.sequences();
  const auto walk = [&](model::Model& model) {
    MOE_CHECK(
        model::WalkForward(model, sequences, {}, nullptr, resources).ok());
  };
  const std::vector<std::function<void()>> bodies = {[&] { walk(dense); },
                                                     [&] { walk(moe); }};
  for (const auto& body : bodies) body();
  const double dense_flops = DenseFlops(dense.config(), sequences);
  const double active = MoeFlops(moe, sequences, resources) / dense_flops;
  std::vector<std::vector<double>> seconds;
  for (auto _ : state) seconds = TimeInTurn(NumRounds(dense_flops), bodies);
  state.counters["dense_ms"] = Median(seconds[0]) * 1e3;
  state.counters["moe_ms"] = Median(seconds[1]) * 1e3;
  state.counters["active_over_dense"] = active;
  state.counters["time_over_flops"] =
      MedianRatio(seconds[1], seconds[0]) / active;
}

void RegisterBenchmarks() {
  for (const Shape& shape : kShapes) {
    for (const Kind& kind : kKinds) {
      benchmark::RegisterBenchmark(
          absl::StrCat(shape.name, "/", kind.name).c_str(),
          [&shape, &kind](benchmark::State& state) {
            BM_Moe(state, shape, kind);
          })
          ->ArgNames({"tokens", "threads"})
          ->ArgsProduct({{4096}, {1, 2}})
          ->Iterations(1)
          ->Unit(benchmark::kMillisecond);
    }
  }
}

}  // namespace
}  // namespace moe::benchmarks

int main(int argc, char** argv) {
  moe::benchmarks::RegisterBenchmarks();
  return moe::benchmarks::RunBenchmarks(argc, argv);
}
