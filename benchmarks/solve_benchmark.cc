// Compares least squares in double (moe/kernels/solve) with the machine's peak
// in double. Both take turns in one run.
//
//   ./bazelw run //benchmarks:solve_benchmark
//   MOE_SIMD_TARGET=avx2 ./bazelw run //benchmarks:solve_benchmark
//
//   gflops    of our function; its header states the number of operations
//   of_peak   our speed over the peak, measured in the same rounds on as many
//             threads; the median over the rounds

#include <algorithm>
#include <cstdint>
#include <functional>
#include <vector>

#include "absl/types/span.h"
#include "benchmark/benchmark.h"
#include "benchmarks/benchmark_main.h"
#include "benchmarks/measure.h"
#include "benchmarks/peak_flops.h"
#include "moe/base/check.h"
#include "moe/base/matrix.h"
#include "moe/base/philox.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/solve/cholesky.h"
#include "moe/kernels/solve/weighted_sums.h"

namespace moe::benchmarks {
namespace {

constexpr int kNumRounds = 5;

// Rounds of fused multiply-adds that take a thread about 30 ms.
constexpr int64_t kPeakRounds = 5'000'000;

base::Matrix<float> RandomFloats(int64_t rows, int64_t cols) {
  base::RandomStream stream(1, "solve_benchmark");
  base::Matrix<float> matrix(rows, cols);
  for (float& value : matrix.values()) value = stream.UniformSymmetric(1.0f);
  return matrix;
}

// Random elements below the diagonal and 2 on it. The lower triangle of a
// positive definite matrix, and also a valid Cholesky factor.
base::Matrix<double> RandomTriangle(int64_t size) {
  base::RandomStream stream(1, "solve_benchmark");
  const float scale = 1.0f / static_cast<float>(size);
  base::Matrix<double> matrix(size, size);
  for (int64_t i = 0; i < size; ++i) {
    double* const row = matrix.view().RowData(i);
    for (int64_t j = 0; j < i; ++j) row[j] = stream.UniformSymmetric(scale);
    row[i] = 2.0;
    for (int64_t j = i + 1; j < size; ++j) row[j] = 0.0;
  }
  return matrix;
}

// Times `body`, which takes `flops` operations, and the peak on the pool's
// threads.
void Measure(benchmark::State& state, double flops, base::ThreadPool& pool,
             const std::function<void()>& body) {
  const auto repeat = static_cast<int>(std::clamp(2e9 / flops, 1.0, 1e4));
  double peak_flops = 0.0;
  const std::vector<std::function<void()>> bodies = {
      [&] {
        for (int i = 0; i < repeat; ++i) body();
      },
      [&] {
        pool.ParallelFor(0, pool.num_threads(), 1, [&](int64_t begin, int64_t) {
          const double own = RunPeakDoubleFlops(kPeakRounds);
          if (begin == 0) peak_flops = own * pool.num_threads();
        });
      }};
  for (const auto& run : bodies) run();
  std::vector<std::vector<double>> seconds;
  for (auto _ : state) seconds = TimeInTurn(kNumRounds, bodies);
  state.counters["gflops"] = flops * repeat / Median(seconds[0]) / 1e9;
  state.counters["peak_gflops"] = peak_flops / Median(seconds[1]) / 1e9;
  state.counters["of_peak"] =
      MedianRatio(seconds[1], seconds[0]) * flops * repeat / peak_flops;
}

double Product(int64_t a, int64_t b, int64_t c) {
  return static_cast<double>(a) * static_cast<double>(b) *
         static_cast<double>(c);
}

void BM_AddWeightedGram(benchmark::State& state) {
  const int64_t tokens = state.range(1), n = state.range(2);
  base::ThreadPool pool(static_cast<int>(state.range(0)));
  const base::Matrix<float> x = RandomFloats(tokens, n);
  const std::vector<float> weights(static_cast<size_t>(tokens), 0.5f);
  base::Matrix<double> gram = base::Matrix<double>::Zeros(n, n);
  Measure(state, Product(n, n + 1, tokens), pool,
          [&] { kernels::AddWeightedGram(x.view(), weights, gram, pool); });
}
BENCHMARK(BM_AddWeightedGram)
    ->ArgNames({"threads", "T", "N"})
    ->ArgsProduct({{1, 2}, {512}, {1536, 4096}})
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);

void BM_AddWeightedProducts(benchmark::State& state) {
  const int64_t tokens = state.range(1), h = state.range(2), n = state.range(3);
  base::ThreadPool pool(static_cast<int>(state.range(0)));
  const base::Matrix<float> x = RandomFloats(tokens, n),
                            y = RandomFloats(tokens, h);
  const std::vector<float> weights(static_cast<size_t>(tokens), 0.5f);
  base::Matrix<double> sums = base::Matrix<double>::Zeros(h, n);
  Measure(state, 2.0 * Product(h, n, tokens), pool, [&] {
    kernels::AddWeightedProducts(y.view(), x.view(), weights, sums, pool);
  });
}
BENCHMARK(BM_AddWeightedProducts)
    ->ArgNames({"threads", "T", "H", "N"})
    ->ArgsProduct({{1, 2}, {512}, {8, 576}, {1536}})
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);

// The time includes copying the matrix, which the factor overwrites.
void BM_CholeskyFactor(benchmark::State& state) {
  const int64_t n = state.range(1);
  base::ThreadPool pool(static_cast<int>(state.range(0)));
  const base::Matrix<double> a = RandomTriangle(n);
  base::Matrix<double> factor = a;
  Measure(state, Product(n, n, n) / 3.0, pool, [&] {
    std::copy(a.values().begin(), a.values().end(), factor.values().begin());
    MOE_CHECK(kernels::CholeskyFactor(factor, pool).ok());
  });
}
BENCHMARK(BM_CholeskyFactor)
    ->ArgNames({"threads", "N"})
    ->ArgsProduct({{1, 2}, {1536, 4096}})
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);

void BM_SolveCholesky(benchmark::State& state) {
  const int64_t h = state.range(1), n = state.range(2);
  base::ThreadPool pool(static_cast<int>(state.range(0)));
  const base::Matrix<double> factor = RandomTriangle(n);
  base::Matrix<double> x = base::Matrix<double>::Zeros(h, n);
  for (double& value : x.values()) value = 1.0;
  // Each solve divides x by about 4. Starting again keeps x above 2^-1000.
  int64_t num_solved = 0;
  Measure(state, 2.0 * Product(h, n, n), pool, [&] {
    if (++num_solved % 400 == 0) {
      for (double& value : x.values()) value = 1.0;
    }
    kernels::SolveCholesky(factor, x, pool);
  });
}
BENCHMARK(BM_SolveCholesky)
    ->ArgNames({"threads", "H", "N"})
    ->ArgsProduct({{1, 2}, {8, 576}, {1536, 4096}})
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace moe::benchmarks

int main(int argc, char** argv) {
  return moe::benchmarks::RunBenchmarks(argc, argv);
}
