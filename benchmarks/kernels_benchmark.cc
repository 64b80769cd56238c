// Compares the kernels with the peak of the machine and with the kernels of
// other libraries. All take turns in one run.
//
//   ./bazelw run //benchmarks:kernels_benchmark
//   MOE_OPENBLAS="$(tools/python/openblas.sh)" OPENBLAS_CORETYPE=SkylakeX
//     ./bazelw run //benchmarks:kernels_benchmark     (on one line)
//   MOE_SIMD_TARGET=avx2 ./bazelw run //benchmarks:kernels_benchmark
//
// BM_Gemm/threads/M/K/N: a float32 product with packed weights. The floor is
// the time of 2 M N K operations at the machine's peak.
//   gflops          of our product
//   of_peak         our speed over the peak, measured in the same rounds on as
//                   many threads
//   over_libtorch   the time of LibTorch's float32 matmul over ours
//   over_openblas   OpenBLAS's time over ours, with MOE_OPENBLAS
// BM_Rows/KERNEL: row kernels on 128 MiB and more. The floor is the time that
// memcpy on as many threads would take for the bytes that are read and written.
//   of_copy         the kernel's bytes a second over memcpy's
//   ns_per_element
// Each ratio is taken within a round; the counter is the median over rounds.

#include <ATen/Parallel.h>
#include <ATen/core/Dict.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/mm.h>
#include <dlfcn.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "benchmark/benchmark.h"
#include "benchmarks/benchmark_main.h"
#include "benchmarks/measure.h"
#include "benchmarks/peak_flops.h"
#include "moe/base/aligned_buffer.h"
#include "moe/base/check.h"
#include "moe/base/matrix_view.h"
#include "moe/base/philox.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/gemm/gemm.h"
#include "moe/kernels/gemm/packed_matrix.h"
#include "moe/kernels/math/exp.h"
#include "moe/kernels/rows/cross_entropy.h"
#include "moe/kernels/rows/elementwise.h"
#include "moe/kernels/rows/rms_norm.h"
#include "moe/kernels/rows/rope.h"
#include "moe/kernels/rows/softmax.h"
#include "moe/kernels/rows/swiglu.h"

namespace moe::benchmarks {
namespace {

constexpr int kNumRounds = 7;

std::vector<float> RandomFloats(int64_t size) {
  base::RandomStream stream(1, "kernels_benchmark");
  std::vector<float> values(static_cast<size_t>(size));
  for (float& value : values) value = stream.UniformSymmetric(1.0f);
  return values;
}

// OpenBLAS's sgemm as NumPy's wheels name it, with 64-bit integers.
class OpenBlas {
 public:
  static OpenBlas& Get() {
    static OpenBlas* const instance = new OpenBlas;
    return *instance;
  }

  bool IsThere() const { return sgemm_ != nullptr; }

  // C[M, N] = A[M, K] B[N, K]^T, row-major.
  void Multiply(int64_t m, int64_t n, int64_t k, const float* a, const float* b,
                float* c, int num_threads) const {
    MOE_CHECK(IsThere() && set_num_threads_ != nullptr);
    constexpr int kRowMajor = 101, kNoTrans = 111, kTrans = 112;
    set_num_threads_(num_threads);
    sgemm_(kRowMajor, kNoTrans, kTrans, m, n, k, 1.0f, a, k, b, k, 0.0f, c, n);
  }

 private:
  using Sgemm = void (*)(int, int, int, int64_t, int64_t, int64_t, float,
                         const float*, int64_t, const float*, int64_t, float,
                         float*, int64_t);

  OpenBlas() {
    const char* const path = std::getenv("MOE_OPENBLAS");
    if (path == nullptr || *path == '\0') return;
    void* const library = ::dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
      std::fprintf(stderr, "kernels_benchmark: MOE_OPENBLAS: %s\n",
                   ::dlerror());
      std::exit(1);
    }
    sgemm_ = reinterpret_cast<Sgemm>(::dlsym(library, "scipy_cblas_sgemm64_"));
    set_num_threads_ = reinterpret_cast<void (*)(int)>(
        ::dlsym(library, "scipy_openblas_set_num_threads64_"));
    const auto config = reinterpret_cast<const char* (*)()>(
        ::dlsym(library, "scipy_openblas_get_config64_"));
    MOE_CHECK(sgemm_ != nullptr && set_num_threads_ != nullptr &&
              config != nullptr);
    std::fprintf(stderr, "OpenBLAS: %s\n", config());
  }

  Sgemm sgemm_ = nullptr;
  void (*set_num_threads_)(int) = nullptr;
};

// LibTorch does not pass its number of threads on to OpenBLAS.
void SetLibTorchThreads(int num_threads) {
  at::set_num_threads(num_threads);
  const auto set_blas_threads = reinterpret_cast<void (*)(int)>(
      ::dlsym(RTLD_DEFAULT, "openblas_set_num_threads"));
  if (set_blas_threads != nullptr) set_blas_threads(num_threads);
}

base::AlignedBuffer<float> InBuffer(const std::vector<float>& values) {
  base::AlignedBuffer<float> buffer(static_cast<int64_t>(values.size()));
  std::copy(values.begin(), values.end(), buffer.data());
  return buffer;
}

// All contenders use buffers on huge pages, as the pipeline does.
struct GemmOperands {
  GemmOperands(int64_t m, int64_t k, int64_t n)
      : a(InBuffer(RandomFloats(m * k))),
        b(InBuffer(RandomFloats(n * k))),
        c(InBuffer(std::vector<float>(static_cast<size_t>(m * n)))),
        torch_c(InBuffer(std::vector<float>(static_cast<size_t>(m * n)))) {}
  base::AlignedBuffer<float> a, b, c, torch_c;
};

// Rounds of fused multiply-adds that take a thread about 30 ms.
constexpr int64_t kPeakRounds = 5'000'000;

void BM_Gemm(benchmark::State& state) {
  const auto num_threads = static_cast<int>(state.range(0));
  const int64_t m = state.range(1), k = state.range(2), n = state.range(3);
  GemmOperands operands(m, k, n);
  base::ThreadPool pool(num_threads);
  const kernels::PackedMatrix packed = kernels::PackedMatrix::Pack(
      base::MatrixView<const float>(operands.b.data(), n, k), pool);
  const base::MatrixView<const float> a(operands.a.data(), m, k);
  const base::MatrixView<float> c(operands.c.data(), m, n);
  const double flops = 2.0 * static_cast<double>(m) * static_cast<double>(n) *
                       static_cast<double>(k);
  // Repeats small products for about 20 ms, so that a round is not noise.
  const auto repeat = static_cast<int>(std::clamp(2e9 / flops, 1.0, 1e4));
  double peak_flops = 0.0;
  SetLibTorchThreads(num_threads);
  const at::Tensor torch_a = at::from_blob(operands.a.data(), {m, k});
  const at::Tensor torch_b = at::from_blob(operands.b.data(), {n, k}).t();
  at::Tensor torch_c = at::from_blob(operands.torch_c.data(), {m, n});
  std::vector<std::function<void()>> bodies = {
      [&] {
        for (int i = 0; i < repeat; ++i) kernels::Gemm(a, packed, c, pool);
      },
      [&] {
        pool.ParallelFor(0, num_threads, 1, [&](int64_t begin, int64_t) {
          const double own = RunPeakFlops(kPeakRounds);
          if (begin == 0) peak_flops = own * num_threads;
        });
      },
      [&] {
        for (int i = 0; i < repeat; ++i) {
          at::mm_out(torch_c, torch_a, torch_b);
        }
      }};
  if (OpenBlas::Get().IsThere()) {
    bodies.push_back([&] {
      for (int i = 0; i < repeat; ++i) {
        OpenBlas::Get().Multiply(m, n, k, operands.a.data(), operands.b.data(),
                                 operands.c.data(), num_threads);
      }
    });
  }
  for (const auto& body : bodies) body();
  std::vector<std::vector<double>> seconds;
  for (auto _ : state) seconds = TimeInTurn(kNumRounds, bodies);
  const double own_flops = flops * repeat;
  state.counters["gflops"] = own_flops / Median(seconds[0]) / 1e9;
  state.counters["peak_gflops"] = peak_flops / Median(seconds[1]) / 1e9;
  state.counters["of_peak"] =
      MedianRatio(seconds[1], seconds[0]) * own_flops / peak_flops;
  state.counters["over_libtorch"] = MedianRatio(seconds[2], seconds[0]);
  if (seconds.size() > 3) {
    state.counters["over_openblas"] = MedianRatio(seconds[3], seconds[0]);
  }
}

void GemmArguments(benchmark::internal::Benchmark* benchmark) {
  for (const int64_t num_threads : {1, 2}) {
    for (const auto& [k, n] : std::vector<std::pair<int64_t, int64_t>>{
             {576, 1536}, {2048, 8192}, {4096, 14336}}) {
      for (const int64_t m : {64, 512, 2048}) {
        benchmark->Args({num_threads, m, k, n});
      }
    }
  }
}
BENCHMARK(BM_Gemm)
    ->Apply(GemmArguments)
    ->ArgNames({"threads", "M", "K", "N"})
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);

// Packs an operand, which a layer does once.
void BM_Pack(benchmark::State& state) {
  const auto type = static_cast<kernels::WeightType>(state.range(1));
  constexpr int64_t kRows = 8192, kCols = 2048;
  const std::vector<float> weights = RandomFloats(kRows * kCols);
  base::ThreadPool pool(static_cast<int>(state.range(0)));
  for (auto _ : state) {
    benchmark::DoNotOptimize(kernels::PackedMatrix::Pack(
        kernels::WeightView(weights.data(), type, kRows, kCols), pool));
  }
  state.counters["ns_per_element"] =
      benchmark::Counter(static_cast<double>(kRows * kCols) / 1e9,
                         benchmark::Counter::kIsIterationInvariantRate |
                             benchmark::Counter::kInvert);
}
BENCHMARK(BM_Pack)
    ->ArgNames({"threads", "type"})
    ->ArgsProduct({{1, 2}, {0, 1, 2}})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

// Each matrix has 128 MiB, far more than a last-level cache.
constexpr int64_t kRows = 8192;
constexpr int64_t kCols = 4096;

struct RowOperands {
  RowOperands()
      : x(RandomFloats(kRows * kCols)),
        y(x),
        z(x),
        weight(RandomFloats(kCols)) {}
  static RowOperands& Get() {
    static RowOperands* const instance = new RowOperands;
    return *instance;
  }
  base::MatrixView<float> View(std::vector<float>& values) const {
    return base::MatrixView<float>(values.data(), kRows, kCols);
  }
  std::vector<float> x, y, z, weight;
};

// `kernel` reads and writes `num_matrices` matrices in all.
void BM_Rows(benchmark::State& state, int num_matrices,
             void (*kernel)(RowOperands&, base::ThreadPool&)) {
  RowOperands& operands = RowOperands::Get();
  const auto num_threads = static_cast<int>(state.range(0));
  base::ThreadPool pool(num_threads);
  const std::vector<std::function<void()>> bodies = {
      [&] { kernel(operands, pool); },
      [&] {
        pool.ParallelFor(0, kRows, 64, [&](int64_t begin, int64_t end) {
          std::memcpy(
              operands.z.data() + begin * kCols,
              operands.x.data() + begin * kCols,
              static_cast<size_t>((end - begin) * kCols) * sizeof(float));
        });
      }};
  for (const auto& body : bodies) body();
  std::vector<std::vector<double>> seconds;
  for (auto _ : state) seconds = TimeInTurn(kNumRounds, bodies);
  const auto elements = static_cast<double>(operands.x.size());
  state.counters["of_copy"] =
      MedianRatio(seconds[1], seconds[0]) * num_matrices / 2;
  state.counters["copy_gb_per_sec"] =
      2 * 4 * elements / Median(seconds[1]) / 1e9;
  state.counters["ns_per_element"] = Median(seconds[0]) * 1e9 / elements;
}

void RunRmsNorm(RowOperands& o, base::ThreadPool& pool) {
  kernels::RmsNorm(o.View(o.x), o.weight, 1e-5f, o.View(o.z), pool);
}
void RunRmsNormBackward(RowOperands& o, base::ThreadPool& pool) {
  kernels::RmsNormBackward(o.View(o.x), o.weight, 1e-5f, o.View(o.y),
                           o.View(o.z), pool);
}
void RunSoftmax(RowOperands& o, base::ThreadPool& pool) {
  kernels::Softmax(o.View(o.x), 0.125f, kernels::CausalMask(), o.View(o.z),
                   pool);
}
void RunCrossEntropy(RowOperands& o, base::ThreadPool& pool) {
  const std::vector<int32_t> labels(kRows, 7);
  std::vector<float> losses(kRows);
  kernels::CrossEntropy(o.View(o.x), labels, absl::MakeSpan(losses), pool);
}
void RunResidualAdd(RowOperands& o, base::ThreadPool& pool) {
  kernels::ResidualAdd(o.View(o.x), o.View(o.y), o.View(o.z), pool);
}
void RunSwiGlu(RowOperands& o, base::ThreadPool& pool) {
  kernels::SwiGlu(o.View(o.x), o.View(o.y), o.View(o.z), pool);
}
// The gate's gradient over dy, whose values do not matter.
void RunSwiGluBackward(RowOperands& o, base::ThreadPool& pool) {
  kernels::SwiGluBackward(o.View(o.x), o.View(o.y), o.View(o.z), o.View(o.z),
                          o.View(o.y), pool);
}
void RunRope(RowOperands& o, base::ThreadPool& pool) {
  static const kernels::RopeTable* const table = new kernels::RopeTable(
      kernels::RopeFrequencies(1e4f, 128), kRows, 1.0f, pool);
  std::vector<int32_t> positions(kRows);
  std::iota(positions.begin(), positions.end(), 0);
  kernels::ApplyRope(*table, positions, kernels::RopeDirection::kForward,
                     o.View(o.z), pool);
}

void RowArguments(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgName("threads")->Arg(1)->Arg(2)->Iterations(1)->Unit(
      benchmark::kMillisecond);
}
BENCHMARK_CAPTURE(BM_Rows, rms_norm, 2, &RunRmsNorm)->Apply(RowArguments);
BENCHMARK_CAPTURE(BM_Rows, rms_norm_backward, 3, &RunRmsNormBackward)
    ->Apply(RowArguments);
BENCHMARK_CAPTURE(BM_Rows, softmax, 2, &RunSoftmax)->Apply(RowArguments);
BENCHMARK_CAPTURE(BM_Rows, cross_entropy, 1, &RunCrossEntropy)
    ->Apply(RowArguments);
BENCHMARK_CAPTURE(BM_Rows, residual_add, 3, &RunResidualAdd)
    ->Apply(RowArguments);
BENCHMARK_CAPTURE(BM_Rows, swiglu, 3, &RunSwiGlu)->Apply(RowArguments);
BENCHMARK_CAPTURE(BM_Rows, swiglu_backward, 5, &RunSwiGluBackward)
    ->Apply(RowArguments);
BENCHMARK_CAPTURE(BM_Rows, rope, 2, &RunRope)->Apply(RowArguments);

// The values are in the first-level cache.
void BM_Exp(benchmark::State& state) {
  std::vector<float> x = RandomFloats(2048);
  for (float& value : x) value *= 50.0f;
  std::vector<float> y(x.size());
  for (auto _ : state) {
    kernels::Exp(x, absl::MakeSpan(y));
    benchmark::ClobberMemory();
  }
  state.counters["ns_per_element"] =
      benchmark::Counter(static_cast<double>(x.size()) / 1e9,
                         benchmark::Counter::kIsIterationInvariantRate |
                             benchmark::Counter::kInvert);
}
BENCHMARK(BM_Exp);

}  // namespace
}  // namespace moe::benchmarks

int main(int argc, char** argv) {
  return moe::benchmarks::RunBenchmarks(argc, argv);
}
