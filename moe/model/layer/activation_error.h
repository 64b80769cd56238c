// What a pass through a decoder layer says of an activation that is NaN or
// infinite, whichever numerics computed it.

#ifndef MOE_MODEL_LAYER_ACTIVATION_ERROR_H_
#define MOE_MODEL_LAYER_ACTIVATION_ERROR_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace moe {

// Feature `feature` of `num_features` of row `row` of the activation `what`.
// Sequence i has the rows [offsets[i], offsets[i + 1]); the row is one of them.
struct ActivationPosition {
  absl::string_view what;  // "attention queries"
  absl::Span<const int64_t> offsets;
  int64_t row = 0;
  int64_t feature = 0;
  int64_t num_features = 0;
  int64_t first_sequence = 0;  // What the first one is called.
};

// InvalidArgument that says which activation of which sequence, at which
// position. The caller adds the layer.
absl::Status NonFiniteActivationError(const ActivationPosition& at);

}  // namespace moe

#endif  // MOE_MODEL_LAYER_ACTIVATION_ERROR_H_
