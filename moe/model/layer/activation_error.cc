#include "moe/model/layer/activation_error.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace moe::model {

absl::Status NonFiniteActivationError(const ActivationPosition& at) {
  // The last sequence that begins at the row or before, so not an empty one.
  const auto after =
      std::upper_bound(at.offsets.begin(), at.offsets.end(), at.row);
  const int64_t sequence = after - at.offsets.begin() - 1;
  return absl::InvalidArgumentError(absl::StrCat(
      at.what, " of sequence ", at.first_sequence + sequence, ", position ",
      at.row - at.offsets[static_cast<size_t>(sequence)], ", feature ",
      at.feature, " of ", at.num_features,
      ": NaN or infinity; the weights drive float32 out of its range"));
}

}  // namespace moe::model
