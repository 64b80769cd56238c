// What the options of an alignment may be.

#ifndef MOE_ALIGN_ALIGN_OPTIONS_H_
#define MOE_ALIGN_ALIGN_OPTIONS_H_

#include "absl/status/status.h"
#include "moe/align/align_options.pb.h"

namespace moe {

// OK, or InvalidArgument with the field, its value and what is allowed.
absl::Status ValidateAlignOptions(const AlignOptions& options);

}  // namespace moe

#endif  // MOE_ALIGN_ALIGN_OPTIONS_H_
