// Compares a decoder layer with the peak of the machine: forward, and backward
// as a walk back calls it.

#ifndef BENCHMARKS_LAYER_BENCHMARK_H_
#define BENCHMARKS_LAYER_BENCHMARK_H_

#include <cstdint>

#include "moe/base/thread_pool.h"
#include "moe/checkpoint/llama_config.h"

namespace moe::benchmarks {

// The floating-point operations of the matrix products in a decoder layer's
// forward, for one sequence of `num_tokens` tokens T. An addition and a
// multiplication are two operations. The projections take
//   2 T (2 H Q + 2 H K + 3 H I)
// and the half of attention's products that the causal mask leaves takes
//   2 T (T + 1) Q
// Elementwise operations are not counted.
double LayerForwardFlops(const checkpoint::LlamaConfig& config,
                         int64_t num_tokens);

// Multiplies and adds in registers on every thread of the pool for about 60 ms.
// Returns the number of floating-point operations on all threads together.
double RunPeakFlopsOnAllThreads(base::ThreadPool& pool);

// Registers the benchmarks Layer/*.
void RegisterLayerBenchmarks();

}  // namespace moe::benchmarks

#endif  // BENCHMARKS_LAYER_BENCHMARK_H_
