// Compares the model's forward and backward with the peak of the machine. Both
// take turns in one run.
//
//   ./bazelw run //benchmarks:model_benchmark
//
// Layer/SHAPE/tokens/threads: one sequence through one decoder layer with
// random weights. The floor is the time of LayerForwardFlops at the peak.
//   forward_ms               a forward
//   mfu                      the floor over the forward's time; the peak is
//                            measured in the same rounds, on as many threads
//   backward_over_forward    the time of a backward over that of a forward; the
//                            backward uses the attention that the forward saved
//
// Walk/MODEL/tokens/threads: one sequence through a whole model with random
// weights, which stay packed. The floor is the time of ModelForwardFlops.
//   tokens_per_sec           of a forward with the loss
//   mfu                      as above
//   backward_over_forward    (back - forward) / forward: `forward` is the time
//                            of a forward with the loss, `back` the time of a
//                            walk back, which contains this forward
// Each ratio is taken within a round; the counter is the median over rounds.

#include "benchmarks/benchmark_main.h"
#include "benchmarks/layer_benchmark.h"
#include "benchmarks/walk_benchmark.h"

int main(int argc, char** argv) {
  moe::benchmarks::RegisterLayerBenchmarks();
  moe::benchmarks::RegisterWalkBenchmarks();
  return moe::benchmarks::RunBenchmarks(argc, argv);
}
