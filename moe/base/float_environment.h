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

namespace moe {

// Sets the modes above on the calling thread, and leaves its exception flags.
void SetFloatEnvironment();

// OK if the calling thread has the modes above, otherwise FailedPrecondition
// that names `stage`, the mode that is wrong, and what usually causes it. Looks
// at the control register, then computes with it, so that a mode it does not
// know by name is found too.
absl::Status CheckFloatEnvironment(absl::string_view stage);

}  // namespace moe

#endif  // MOE_BASE_FLOAT_ENVIRONMENT_H_
