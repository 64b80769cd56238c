// The floating-point modes that every result depends on.
//
// Results are bit-reproducible under round-to-nearest-even with denormals kept:
// flush-to-zero and denormals-are-zero off. A shared library that was linked
// with -Ofast or -ffast-math can switch both on for the whole process as it is
// loaded, so they are set where a worker thread starts and checked at each
// stage's edges.

#ifndef MOE_BASE_FLOAT_ENVIRONMENT_H_
#define MOE_BASE_FLOAT_ENVIRONMENT_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace moe::base {

// Sets the modes above on the calling thread, and leaves its exception flags.
void SetFloatEnvironment();

// OK if the calling thread has the modes above. Otherwise FailedPrecondition
// with `stage`, the wrong mode and its usual cause. Reads the control register,
// then also computes, so that it finds modes that it does not know by name.
absl::Status CheckFloatEnvironment(absl::string_view stage);

}  // namespace moe::base

#endif  // MOE_BASE_FLOAT_ENVIRONMENT_H_
