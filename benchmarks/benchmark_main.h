// What the main functions of the benchmarks share.

#ifndef BENCHMARKS_BENCHMARK_MAIN_H_
#define BENCHMARKS_BENCHMARK_MAIN_H_

namespace moe {

// Runs the registered benchmarks as the command line says. Their output, on a
// terminal and in a file, has the SIMD target of the kernels in its context, as
// "simd_target". Returns the exit status: 0, or 1 for a wrong argument or a
// wrong MOE_SIMD_TARGET.
int RunBenchmarks(int argc, char** argv);

}  // namespace moe

#endif  // BENCHMARKS_BENCHMARK_MAIN_H_
