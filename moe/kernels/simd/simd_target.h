// Which instruction set the kernels run on.
//
// Every kernel gives the same bits on each of them; the choice is for tests,
// for measurements, and for a user who wants to see that it changes nothing. By
// default the widest that the processor has. MOE_SIMD_TARGET in the environment
// limits it.

#ifndef MOE_KERNELS_SIMD_SIMD_TARGET_H_
#define MOE_KERNELS_SIMD_SIMD_TARGET_H_

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace moe {

// Ascending by width. kScalar runs code without vectors.
enum class SimdTarget { kScalar, kSse4, kNeon, kAvx2, kAvx512 };

// "scalar", "sse4", "neon", "avx2", "avx512".
absl::string_view SimdTargetName(SimdTarget target);

// Those that this processor can run and this program was built for, widest
// first; the last is kScalar.
std::vector<SimdTarget> SupportedSimdTargets();

// The widest supported target that is no wider than MOE_SIMD_TARGET, if that is
// set. InvalidArgument if it is set to no target's name.
absl::StatusOr<SimdTarget> SimdTargetFromEnvironment();

// The target that kernels run on: that of SimdTargetFromEnvironment unless
// SetSimdTarget changed it. A program that uses kernels looks at
// SimdTargetFromEnvironment first, to report a wrong value; here it is a failed
// check.
SimdTarget ActiveSimdTarget();

// Whether kernels run without vectors.
inline bool IsScalarTarget() {
  return ActiveSimdTarget() == SimdTarget::kScalar;
}

// Makes kernels run on `target`. InvalidArgument if it is not supported. Not to
// be called while a kernel runs.
absl::Status SetSimdTarget(SimdTarget target);

}  // namespace moe

#endif  // MOE_KERNELS_SIMD_SIMD_TARGET_H_
