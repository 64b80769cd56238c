// Names in a spec: of the experiment, its steps, datasets, model. They become
// names of directories and of build targets.

#ifndef MOE_EXPERIMENT_SPEC_NAME_H_
#define MOE_EXPERIMENT_SPEC_NAME_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace moe {

// OK for lower-case letters, digits and underscores, a letter first, 64 at
// most; else InvalidArgument with the field.
absl::Status CheckSpecName(absl::string_view name, absl::string_view field);

}  // namespace moe

#endif  // MOE_EXPERIMENT_SPEC_NAME_H_
