// Converts a checkpoint, and compares the time with `cp` of the same bytes.
// They take turns in one run, so that the machine's load affects them alike.
//
//   ./bazelw run //benchmarks:convert_benchmark
//
// The floor: every byte is read from the page cache and written to it, as cp
// does. The writer syncs before it renames, so every byte is then written to
// the device. cp leaves that for later. The counters are those of beside_cp.h:
// convert_over_cp and so on.
//
// The conversions:
//   - MLPs into 8 experts of neurons in sequence;
//   - MLPs into 8 experts of neurons in random order, whose rows and columns
//     lie apart;
//   - the attention of the first result into experts;
//   - the export of the first result to Mixtral, which multiplies a third of
//     the MLP by the scale factor.
//
// The working folder is that of beside_cp.h. It needs room for three times
// MOE_BENCHMARK_SIZE. MOE_BENCHMARK_MODEL names a dense checkpoint to convert
// instead of a synthetic one; the folder then needs room for twice its size.

#include <stdlib.h>

#include <cstdint>
#include <numeric>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "benchmark/benchmark.h"
#include "benchmarks/benchmark_main.h"
#include "benchmarks/beside_cp.h"
#include "moe/base/check.h"
#include "moe/base/matrix.h"
#include "moe/base/philox.h"
#include "moe/base/progress.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/convert/attention_options.pb.h"
#include "moe/convert/convert_attention.h"
#include "moe/convert/convert_mlp.h"
#include "moe/convert/export_checkpoint.h"
#include "moe/convert/export_options.pb.h"
#include "moe/convert/mlp_options.pb.h"

namespace moe::benchmarks {
namespace {

constexpr int kNumRounds = 5;
constexpr int64_t kNumExperts = 8;

// As the command does, uses MOE_NUM_THREADS threads, by default as many as the
// machine has.
struct Session {
  Session() : pool(base::NumThreadsFromEnvironment().value()) {}
  base::ThreadPool pool;
  base::Progress progress{base::Progress::Style::kSilent, {}};
};

checkpoint::NeuronIndices RandomIndices(const checkpoint::LlamaConfig& config) {
  checkpoint::NeuronIndices indices;
  for (int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    checkpoint::LayerNeuronIndices split;
    split.experts = base::Matrix<int64_t>(
        kNumExperts, config.intermediate_size / kNumExperts);
    const absl::Span<int64_t> neurons = split.experts.values();
    std::iota(neurons.begin(), neurons.end(), int64_t{0});
    base::RandomStream stream(0, absl::StrCat("convert_benchmark/", layer));
    base::Shuffle(stream, neurons);
    indices.layers.push_back(std::move(split));
  }
  return indices;
}

absl::Status ConvertMlps(const std::string& from, const std::string& to,
                         bool random) {
  Session session;
  MOE_ASSIGN_OR_RETURN(const checkpoint::Checkpoint dense,
                       checkpoint::Checkpoint::Open(from));
  MlpConversionOptions options;
  options.set_num_experts(kNumExperts);
  options.set_top_k(2);
  options.set_scale_factor(4.0);
  checkpoint::NeuronIndices indices;
  convert::MlpArtifacts artifacts;
  if (random) {
    indices = RandomIndices(*dense.dense_config());
    artifacts.neuron_indices = &indices;
  }
  return convert::ConvertMlp(dense, options, artifacts, {to},
                             {session.pool, session.progress})
      .status();
}

absl::Status ConvertAttentions(const std::string& from, const std::string& to) {
  Session session;
  MOE_ASSIGN_OR_RETURN(const checkpoint::Checkpoint moe,
                       checkpoint::Checkpoint::Open(from));
  AttentionConversionOptions options;
  options.set_top_k_attn(1);
  options.set_scale_factor_attn(1.0);
  return convert::ConvertAttention(moe, options, {}, {to},
                                   {session.pool, session.progress})
      .status();
}

absl::Status Export(const std::string& from, const std::string& to) {
  Session session;
  MOE_ASSIGN_OR_RETURN(const checkpoint::Checkpoint moe,
                       checkpoint::Checkpoint::Open(from));
  ExportOptions options;
  options.set_target(ExportOptions::MIXTRAL);
  return convert::ExportCheckpoint(moe, options, {to},
                                   {session.pool, session.progress})
      .status();
}

// A dense checkpoint to convert, and room for results.
class Workspace {
 public:
  Workspace() {
    const char* const model = ::getenv("MOE_BENCHMARK_MODEL");
    if (model != nullptr && *model != '\0') {
      dense_ = model;
    } else {
      dense_ = directory_.Path("dense");
      MOE_CHECK(WriteSyntheticCheckpoint(dense_).ok());
    }
  }

  const std::string& Dense() const { return dense_; }
  // A checkpoint of sequential experts, made by the first call.
  std::string Moe() const {
    const std::string path = directory_.Path("moe");
    MOE_CHECK(ConvertMlps(dense_, path, /*random=*/false).ok());
    return path;
  }
  std::string To() const { return directory_.Path("to"); }

 private:
  const BenchmarkDirectory directory_{"convert_benchmark"};
  std::string dense_;
};

void BM_ConvertMlp(benchmark::State& state) {
  const Workspace workspace;
  const std::string& from = workspace.Dense();
  const std::string to = workspace.To();
  const bool random = state.range(0) != 0;
  RunBesideCp(
      {from, to, [&] { return ConvertMlps(from, to, random); }, "convert"},
      state);
}
BENCHMARK(BM_ConvertMlp)
    ->ArgName("random_indices")
    ->Arg(0)
    ->Arg(1)
    ->UseManualTime()
    ->Iterations(kNumRounds)
    ->Unit(benchmark::kMillisecond);

void BM_ConvertAttention(benchmark::State& state) {
  const Workspace workspace;
  const std::string from = workspace.Moe();
  const std::string to = workspace.To();
  RunBesideCp(
      {from, to, [&] { return ConvertAttentions(from, to); }, "convert"},
      state);
}
BENCHMARK(BM_ConvertAttention)
    ->UseManualTime()
    ->Iterations(kNumRounds)
    ->Unit(benchmark::kMillisecond);

void BM_Export(benchmark::State& state) {
  const Workspace workspace;
  const std::string from = workspace.Moe();
  const std::string to = workspace.To();
  RunBesideCp({from, to, [&] { return Export(from, to); }, "convert"}, state);
}
BENCHMARK(BM_Export)
    ->UseManualTime()
    ->Iterations(kNumRounds)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace moe::benchmarks

int main(int argc, char** argv) {
  return moe::benchmarks::RunBenchmarks(argc, argv);
}
