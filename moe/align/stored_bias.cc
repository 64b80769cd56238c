#include "moe/align/stored_bias.h"

#include <array>
#include <cmath>
#include <cstddef>
#include <limits>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "moe/align/align_options.pb.h"
#include "moe/checkpoint/dtype.h"

namespace moe {

double ExpertBias(float bias, double scale_factor, AlignOptions::Mode mode) {
  return mode == AlignOptions::PUBLISHED ? double{bias} : bias / scale_factor;
}

absl::StatusOr<float> RoundToWeight(Dtype dtype, double value) {
  float rounded = std::numeric_limits<float>::infinity();
  if (std::fabs(value) <= std::numeric_limits<float>::max()) {
    rounded = static_cast<float>(value);
    std::array<char, sizeof(float)> buffer;
    const auto bytes =
        absl::MakeSpan(buffer).first(static_cast<size_t>(DtypeSize(dtype)));
    FloatToWeights(dtype, absl::MakeConstSpan(&rounded, 1), bytes);
    WeightsToFloat(dtype, bytes, absl::MakeSpan(&rounded, 1));
  }
  if (std::isfinite(rounded)) return rounded;
  return absl::InvalidArgumentError(absl::StrCat(
      "the bias ", value, " is beyond the largest ", DtypeName(dtype)));
}

}  // namespace moe
