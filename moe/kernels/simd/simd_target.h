// The instruction set that the kernels run on.
//
// Every kernel gives the same bits on each of them. The choice is for tests,
// for measurements, and for a user who wants to see that the bits are the same.
// The default is the widest one that the processor has. MOE_SIMD_TARGET in the
// environment limits it.

#ifndef MOE_KERNELS_SIMD_SIMD_TARGET_H_
#define MOE_KERNELS_SIMD_SIMD_TARGET_H_

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace moe::kernels {

// Ascending by width. kScalar runs code without vectors.
enum class SimdTarget { kScalar, kSse4, kNeon, kAvx2, kAvx512 };

// "scalar", "sse4", "neon", "avx2", "avx512".
absl::string_view SimdTargetName(SimdTarget target);

// The targets that this processor can run and this program was built for,
// widest first. The last is kScalar.
std::vector<SimdTarget> SupportedSimdTargets();

// The widest supported target that is no wider than MOE_SIMD_TARGET, if that is
// set. InvalidArgument if it is not the name of a target.
absl::StatusOr<SimdTarget> SimdTargetFromEnvironment();

// The target that kernels run on: that of SimdTargetFromEnvironment, unless
// SetSimdTarget changed it. A program calls SimdTargetFromEnvironment first to
// report a wrong value; here a wrong value fails a check.
SimdTarget ActiveSimdTarget();

// Whether kernels run without vectors.
inline bool IsScalarTarget() {
  return ActiveSimdTarget() == SimdTarget::kScalar;
}

// Makes kernels run on `target`. InvalidArgument if it is not supported. Do not
// call it while a kernel runs.
absl::Status SetSimdTarget(SimdTarget target);

}  // namespace moe::kernels

#endif  // MOE_KERNELS_SIMD_SIMD_TARGET_H_
