// A decoder layer beside what the machine can do: forward, and backward as a
// walk back calls it.

#ifndef BENCHMARKS_LAYER_BENCHMARK_H_
#define BENCHMARKS_LAYER_BENCHMARK_H_

#include <cstdint>

#include "moe/base/thread_pool.h"
#include "moe/checkpoint/llama_config.h"

namespace moe {

// The floating-point operations of a decoder layer's forward for one sequence
// of `num_tokens` tokens T, written as products, an addition and a
// multiplication being two: the projections, 2 T (2 H Q + 2 H K + 3 H I), and
// the half of attention's products with scores that the causal mask leaves, 2 T
// (T + 1) Q. What is elementwise counts as nothing.
double LayerForwardFlops(const LlamaConfig& config, int64_t num_tokens);

// Multiplies and adds without memory on every thread of the pool for some 60
// ms. Returns how many floating-point operations that were in all.
double RunPeakFlopsOnAllThreads(ThreadPool& pool);

// Registers the benchmarks Layer/*.
void RegisterLayerBenchmarks();

}  // namespace moe

#endif  // BENCHMARKS_LAYER_BENCHMARK_H_
