// The function of a kernel that runs on the active SIMD target.

#ifndef MOE_KERNELS_SIMD_CHOOSE_KERNEL_H_
#define MOE_KERNELS_SIMD_CHOOSE_KERNEL_H_

#include "moe/kernels/simd/simd_target.h"

// A pointer to what HWY_EXPORT(NAME) exported, or to scalar::NAME. To be called
// once for many rows. Highway's own macro for pointers is not in every version;
// the plus makes one of the function, or the pointer, that its call macro
// gives.
#define MOE_CHOOSE_KERNEL(NAME) \
  (::moe::IsScalarTarget() ? &::moe::scalar::NAME : +HWY_DYNAMIC_DISPATCH(NAME))

#endif  // MOE_KERNELS_SIMD_CHOOSE_KERNEL_H_
