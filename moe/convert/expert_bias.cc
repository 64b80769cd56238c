#include "moe/convert/expert_bias.h"

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor.h"
#include "moe/convert/read_finite.h"

namespace moe {

absl::StatusOr<std::string> DivideBias(const TensorLocation& bias, double scale,
                                       absl::string_view field) {
  const TensorSpec& spec = bias.tensor->spec;
  std::string bytes(static_cast<size_t>(NumBytes(spec)), '\0');
  MOE_RETURN_IF_ERROR(ReadFinite(bias, 0, absl::MakeSpan(bytes)));
  std::vector<float> values(bytes.size() /
                            static_cast<size_t>(DtypeSize(spec.dtype)));
  WeightsToFloat(spec.dtype, bytes, absl::MakeSpan(values));
  std::vector<float> quotients(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    quotients[i] = static_cast<float>(double{values[i]} / scale);
  }
  FloatToWeights(spec.dtype, quotients, absl::MakeSpan(bytes));
  WeightsToFloat(spec.dtype, bytes, absl::MakeSpan(quotients));
  int exponent = 0;
  const bool is_power_of_two = std::frexp(scale, &exponent) == 0.5;
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] == 0.0f) continue;
    // A float times a power of two is exact as a double.
    if (is_power_of_two && double{quotients[i]} * scale == double{values[i]}) {
      continue;
    }
    return absl::InvalidArgumentError(absl::StrCat(
        bias.shard->path(), ": tensor \"", spec.name, "\" has ", values[i],
        " at element ", i, ", and each expert adds that divided by ", field,
        ", ", scale, ", which ",
        is_power_of_two
            ? absl::StrCat(DtypeName(spec.dtype),
                           " does not hold exactly; choose a power of two "
                           "nearer to 1")
            : "is not a power of two; choose a power of two"));
  }
  return bytes;
}

}  // namespace moe
