// What the main functions of the benchmarks share.

#ifndef BENCHMARKS_BENCHMARK_MAIN_H_
#define BENCHMARKS_BENCHMARK_MAIN_H_

namespace moe::benchmarks {

// Runs the registered benchmarks that the command line selects. The context of
// the output, on a terminal and in a file, names the SIMD target of the kernels
// as "simd_target". Returns the exit status: 0, or 1 for a wrong argument or a
// wrong MOE_SIMD_TARGET.
int RunBenchmarks(int argc, char** argv);

}  // namespace moe::benchmarks

#endif  // BENCHMARKS_BENCHMARK_MAIN_H_
