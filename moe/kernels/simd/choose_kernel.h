// The function of a kernel that runs on the active SIMD target.

#ifndef MOE_KERNELS_SIMD_CHOOSE_KERNEL_H_
#define MOE_KERNELS_SIMD_CHOOSE_KERNEL_H_

#include "moe/kernels/simd/simd_target.h"

// A pointer to the function that HWY_EXPORT(NAME) exported, or to scalar::NAME.
// Evaluate it once for many rows. Not every version of Highway has a macro for
// pointers. The plus makes a pointer of what its call macro gives, which is a
// function or a pointer.
#define MOE_CHOOSE_KERNEL(NAME)                                     \
  (::moe::kernels::IsScalarTarget() ? &::moe::kernels::scalar::NAME \
                                    : +HWY_DYNAMIC_DISPATCH(NAME))

#endif  // MOE_KERNELS_SIMD_CHOOSE_KERNEL_H_
