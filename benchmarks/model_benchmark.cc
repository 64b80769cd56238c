// The model's forward and backward beside what the machine can do, measured in
// one run and in turn.
//
//   ./bazelw run //benchmarks:model_benchmark
//
// Layer/SHAPE/tokens/threads, one sequence through one decoder layer with
// random weights: floor is LayerForwardFlops over the machine's peak.
//   forward_ms               a forward
//   mfu                      its floor over its time, the peak being measured
//                            in the same rounds, on as many threads
//   backward_over_forward    the time of a backward, which takes the attention
//                            that the forward saved, over a forward's
//
// Walk/MODEL/tokens/threads, one sequence through a whole model with random
// weights, which keeps them packed: floor is ModelForwardFlops.
//   tokens_per_sec           of a forward with the loss
//   mfu                      as above
//   backward_over_forward    the time of a walk back less that of a forward
//                            with the loss, which it contains, over the latter
// A ratio is the median over the rounds of the ratios within each.

#include <cstdio>
#include <string>

#include "absl/status/statusor.h"
#include "benchmark/benchmark.h"
#include "benchmarks/layer_benchmark.h"
#include "benchmarks/walk_benchmark.h"
#include "moe/kernels/simd/simd_target.h"

int main(int argc, char** argv) {
  const absl::StatusOr<moe::SimdTarget> target =
      moe::SimdTargetFromEnvironment();
  if (!target.ok()) {
    std::fprintf(stderr, "model_benchmark: %s\n",
                 std::string(target.status().message()).c_str());
    return 1;
  }
  std::fprintf(stderr, "SIMD target: %s\n",
               std::string(moe::SimdTargetName(*target)).c_str());
  moe::RegisterLayerBenchmarks();
  moe::RegisterWalkBenchmarks();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
