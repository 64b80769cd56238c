// MOE_UNROLL before a loop over the registers of a tile makes the compiler
// unroll it. Otherwise the registers would become an array in memory.

#ifndef MOE_KERNELS_SIMD_UNROLL_H_
#define MOE_KERNELS_SIMD_UNROLL_H_

#if defined(__clang__)
#define MOE_UNROLL _Pragma("clang loop unroll(full)")
#else
#define MOE_UNROLL _Pragma("GCC unroll 32")
#endif

#endif  // MOE_KERNELS_SIMD_UNROLL_H_
