// Compares walks through a whole model, down and back, with the peak of the
// machine.

#ifndef BENCHMARKS_WALK_BENCHMARK_H_
#define BENCHMARKS_WALK_BENCHMARK_H_

#include <cstdint>

#include "moe/checkpoint/llama_config.h"

namespace moe::benchmarks {

// The floating-point operations of a forward with the loss, for one sequence of
// `num_tokens` tokens T: LayerForwardFlops for every layer, and 2 T H V for the
// logits.
double ModelForwardFlops(const checkpoint::LlamaConfig& config,
                         int64_t num_tokens);

// Registers the benchmarks Walk/*.
void RegisterWalkBenchmarks();

}  // namespace moe::benchmarks

#endif  // BENCHMARKS_WALK_BENCHMARK_H_
