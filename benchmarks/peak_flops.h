// The most that this machine can multiply and add.

#ifndef BENCHMARKS_PEAK_FLOPS_H_
#define BENCHMARKS_PEAK_FLOPS_H_

#include <cstdint>

namespace moe::benchmarks {

// Runs `num_rounds` rounds of independent fused multiply-adds that never leave
// the registers, on the active SIMD target. Returns the number of
// floating-point operations, two for each lane and multiply-add.
double RunPeakFlops(int64_t num_rounds);

// The same in double.
double RunPeakDoubleFlops(int64_t num_rounds);

}  // namespace moe::benchmarks

#endif  // BENCHMARKS_PEAK_FLOPS_H_
