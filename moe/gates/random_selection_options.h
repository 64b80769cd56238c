// What the options of random selection may be.

#ifndef MOE_GATES_RANDOM_SELECTION_OPTIONS_H_
#define MOE_GATES_RANDOM_SELECTION_OPTIONS_H_

#include "absl/status/status.h"
#include "moe/gates/random_selection_options.pb.h"

namespace moe {

// OK, or InvalidArgument with the field, its value and what is allowed.
absl::Status ValidateRandomSelectionOptions(
    const RandomSelectionOptions& options);

}  // namespace moe

#endif  // MOE_GATES_RANDOM_SELECTION_OPTIONS_H_
