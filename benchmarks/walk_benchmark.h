// Walks through a whole model, down and back, beside what the machine can do.

#ifndef BENCHMARKS_WALK_BENCHMARK_H_
#define BENCHMARKS_WALK_BENCHMARK_H_

#include <cstdint>

#include "moe/checkpoint/llama_config.h"

namespace moe {

// The floating-point operations of a forward with the loss, for one sequence of
// `num_tokens` tokens T: LayerForwardFlops for every layer, and the logits, 2 T
// H V.
double ModelForwardFlops(const LlamaConfig& config, int64_t num_tokens);

// Registers the benchmarks Walk/*.
void RegisterWalkBenchmarks();

}  // namespace moe

#endif  // BENCHMARKS_WALK_BENCHMARK_H_
