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

#include "benchmarks/benchmark_main.h"
#include "benchmarks/layer_benchmark.h"
#include "benchmarks/walk_benchmark.h"

int main(int argc, char** argv) {
  moe::RegisterLayerBenchmarks();
  moe::RegisterWalkBenchmarks();
  return moe::RunBenchmarks(argc, argv);
}
