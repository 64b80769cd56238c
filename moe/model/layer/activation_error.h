// The error for an activation of a decoder layer that is NaN or infinite, for
// both kinds of numerics.

#ifndef MOE_MODEL_LAYER_ACTIVATION_ERROR_H_
#define MOE_MODEL_LAYER_ACTIVATION_ERROR_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace moe::model {

// Feature `feature` of `num_features` in row `row` of the activation `what`.
// Sequence i has the rows [offsets[i], offsets[i + 1]). The row belongs to one.
struct ActivationPosition {
  absl::string_view what;  // "attention queries"
  absl::Span<const int64_t> offsets;
  int64_t row = 0;
  int64_t feature = 0;
  int64_t num_features = 0;
  int64_t first_sequence = 0;  // The number of the first one in messages.
};

// InvalidArgument with the activation, the sequence, the position and the
// feature. The caller adds the layer.
absl::Status NonFiniteActivationError(const ActivationPosition& at);

}  // namespace moe::model

#endif  // MOE_MODEL_LAYER_ACTIVATION_ERROR_H_
