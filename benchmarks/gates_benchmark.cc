// Measures how fast hidden states are clustered.
//
//   BM_Assign     the exact assignment of tokens to clusters of bounded size,
//                 without the distances
//   BM_Iteration  an iteration of balanced k-means (distances, assignment and
//                 centroids), over the time to copy the points

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "benchmark/benchmark.h"
#include "benchmarks/benchmark_main.h"
#include "benchmarks/measure.h"
#include "moe/base/check.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/memory_budget.h"
#include "moe/base/philox.h"
#include "moe/base/spill_file.h"
#include "moe/base/thread_pool.h"
#include "moe/gates/balanced_assignment.h"
#include "moe/gates/balanced_kmeans.h"
#include "moe/gates/clustering_options.pb.h"
#include "moe/kernels/rows/distances.h"
#include "moe/model/walk/hidden_states.h"

namespace moe::benchmarks {
namespace {

constexpr int64_t kNumExperts = 8;
constexpr double kJitter = 0.4;  // The published setting.
constexpr int64_t kRowsAtOnce = 1024;

// Each point lies near one of twelve centres. There are more centres than
// clusters, and some centres get more points than others. So the bounds on the
// clusters' sizes matter.
void FillPoints(int64_t first, base::MatrixView<float> rows) {
  base::RandomStream stream(static_cast<uint64_t>(first), "points");
  for (int64_t t = 0; t < rows.rows; ++t) {
    // The larger of the two is e with a probability of (2e + 1) / 144.
    const uint64_t blob =
        std::max(stream.UniformInt(12), stream.UniformInt(12));
    const absl::Span<float> row = rows.Row(t);
    // Each draw gives two numbers, because drawing billions takes long.
    for (size_t i = 0; i < row.size(); i += 2) {
      const uint32_t bits = stream.NextUint32();
      row[i] = static_cast<float>(bits & 0xffff) * 0x1p-16f - 0.5f;
      if (i + 1 < row.size()) {
        row[i + 1] = static_cast<float>(bits >> 16) * 0x1p-16f - 0.5f;
      }
    }
    for (size_t i = blob; i < row.size(); i += 12) row[i] += 0.3f;
  }
}

model::HiddenStates MakePoints(int64_t num_tokens, int64_t hidden_size,
                               base::MemoryBudget& budget,
                               base::ThreadPool& pool) {
  model::HiddenStates points =
      model::HiddenStates::Create(num_tokens, hidden_size, budget,
                                  base::SpillDirectory())
          .value();
  base::Matrix<float> buffer;
  for (int64_t begin = 0; begin < num_tokens; begin += kRowsAtOnce) {
    const int64_t end = std::min(begin + kRowsAtOnce, num_tokens);
    const base::MatrixView<float> rows = points.Prepare(begin, end, buffer);
    pool.ParallelFor(0, rows.rows, 64, [&](int64_t first, int64_t last) {
      FillPoints(begin + first, rows.Rows(first, last));
    });
    MOE_CHECK(points.Store(begin, rows).ok());
  }
  return points;
}

// The seconds to read all points once.
double ReadSeconds(model::HiddenStates& points) {
  base::Matrix<float> buffer;
  return SecondsOf([&] {
    MOE_CHECK(points
                  .ForEachBlock(kRowsAtOnce, buffer,
                                [&](int64_t, base::MatrixView<const float>) {
                                  return absl::OkStatus();
                                })
                  .ok());
  });
}

// The seconds that memcpy takes for as many bytes as the points have.
double CopySeconds(const model::HiddenStates& points) {
  constexpr int64_t kBytes = int64_t{1} << 28;
  std::vector<char> from(kBytes, 1), to(kBytes, 2);
  const double seconds = SecondsOf([&] {
    std::memcpy(to.data(), from.data(), from.size());
    benchmark::ClobberMemory();
  });
  return seconds * static_cast<double>(points.num_tokens()) *
         static_cast<double>(points.hidden_size() * 4) / kBytes;
}

void BM_Assign(benchmark::State& state) {
  constexpr int64_t kHiddenSize = 576;
  const int64_t num_tokens = state.range(0);
  const int64_t num_clusters = state.range(1);
  base::ThreadPool pool(static_cast<int>(state.range(2)));
  base::Matrix<float> x(num_tokens, kHiddenSize);
  FillPoints(0, x.view());
  base::Matrix<float> costs(num_tokens, num_clusters);
  kernels::SquaredL2Distances(x.view(), x.view().Rows(0, num_clusters),
                              costs.view(), pool);
  const gates::SizeBounds bounds =
      gates::BalancedBounds(num_tokens, num_clusters, kJitter);
  gates::BalancedAssigner assigner;  // Warm, as in a clustering.
  const auto assign = [&] {
    std::vector<double> prices(
        static_cast<size_t>(num_clusters));  // Starts from zero.
    MOE_CHECK(
        assigner.Assign(costs.view(), bounds, absl::MakeSpan(prices), pool)
            .ok());
  };
  assign();
  std::vector<double> seconds;
  for (auto _ : state) seconds.push_back(SecondsOf(assign));
  state.counters["ms"] = Median(seconds) * 1e3;
  state.counters["ns_per_token"] =
      Median(seconds) / static_cast<double>(num_tokens) * 1e9;
}

void BM_Iteration(benchmark::State& state) {
  const int64_t num_tokens = state.range(0);
  const int64_t hidden_size = state.range(1);
  const bool is_spilled = state.range(2) != 0;
  base::ThreadPool pool(static_cast<int>(state.range(3)));
  base::MemoryBudget budget(is_spilled ? 0 : base::MemoryBudget::kUnlimited);
  model::HiddenStates points =
      MakePoints(num_tokens, hidden_size, budget, pool);
  ClusteringOptions options;
  options.set_num_experts(kNumExperts);
  options.set_balance_jitter_factor(kJitter);
  options.set_n_init(1);
  options.set_max_iter(5);
  const gates::ClusteringMemory memory;
  std::vector<double> iterations, copies, reads;
  double whole = 0.0;
  for (auto _ : state) {
    reads.push_back(ReadSeconds(points));
    copies.push_back(CopySeconds(points));
    std::vector<absl::Time> starts;
    whole = SecondsOf([&] {
      MOE_CHECK(
          gates::ClusterBalanced(points, options, "benchmark",
                                 {memory, pool,
                                  [&](absl::string_view detail) {
                                    if (absl::StartsWith(detail, "iteration")) {
                                      starts.push_back(absl::Now());
                                    }
                                  }})
              .ok());
    });
    for (size_t i = 1; i < starts.size(); ++i) {
      iterations.push_back(absl::ToDoubleSeconds(starts[i] - starts[i - 1]));
    }
    reads.push_back(ReadSeconds(points));
    copies.push_back(CopySeconds(points));
  }
  MOE_CHECK(!iterations.empty());
  state.counters["iteration_sec"] = Median(iterations);
  state.counters["over_copy"] = Median(iterations) / Median(copies);
  state.counters["over_read"] = Median(iterations) / Median(reads);
  state.counters["ns_per_token"] =
      Median(iterations) / static_cast<double>(num_tokens) * 1e9;
  state.counters["whole_sec"] = whole;
}

BENCHMARK(BM_Assign)
    ->ArgNames({"tokens", "clusters", "threads"})
    ->ArgsProduct({{16384, 65536, 327680}, {8}, {1, 2}})
    ->Args({65536, 64, 1})
    ->Iterations(5)
    ->Unit(benchmark::kMillisecond);
BENCHMARK(BM_Iteration)
    ->ArgNames({"tokens", "hidden", "spilled", "threads"})
    ->ArgsProduct({{20480, 81920, 327680}, {576}, {0}, {2}})
    ->Args({65536, 4096, 0, 2})
    ->Args({327680, 4096, 1, 1})
    ->Args({327680, 4096, 1, 2})
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace moe::benchmarks

int main(int argc, char** argv) {
  return moe::benchmarks::RunBenchmarks(argc, argv);
}
