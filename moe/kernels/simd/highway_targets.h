// Which SIMD targets the kernels are compiled for. Included before any header
// of Highway, by every file that is compiled once per target.
//
// One target for each instruction set that changes speed: AVX-512, AVX2, SSE4
// (the baseline on x86-64), NEON. The rest of Highway's list is switched off:
// the newer AVX-512 sets bring nothing that the contract lets a kernel use (dot
// products of bf16, reciprocal estimates), the scalar ones are served by the
// references, and vectors of SVE cannot be elements of an array.

#ifndef MOE_KERNELS_SIMD_HIGHWAY_TARGETS_H_
#define MOE_KERNELS_SIMD_HIGHWAY_TARGETS_H_

#define HWY_DISABLED_TARGETS                                                 \
  (HWY_AVX3_DL | HWY_AVX3_ZEN4 | HWY_AVX3_SPR | HWY_AVX10_2 | HWY_SSSE3 |    \
   HWY_SSE2 | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_EMU128 | \
   HWY_SCALAR)

#include "hwy/detect_targets.h"

// Those that the oldest supported Highway does not know.
#ifndef HWY_AVX3_ZEN4
#define HWY_AVX3_ZEN4 0LL
#endif
#ifndef HWY_AVX3_SPR
#define HWY_AVX3_SPR 0LL
#endif
#ifndef HWY_AVX10_2
#define HWY_AVX10_2 0LL
#endif
#ifndef HWY_SSE2
#define HWY_SSE2 0LL
#endif

#endif  // MOE_KERNELS_SIMD_HIGHWAY_TARGETS_H_
