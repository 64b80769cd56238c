#include "moe/kernels/sums/fixed_point.h"

#include "moe/base/check.h"
#include "moe/kernels/sums/wide_integer.h"

namespace moe::kernels {

double FixedPointToDouble(Int128 value, int fraction_bits) {
  MOE_CHECK(0 <= fraction_bits && fraction_bits <= kMaxFractionBits);
  const double magnitude = IntegerToDouble(Magnitude(value), -fraction_bits);
  return value < 0 ? -magnitude : magnitude;
}

}  // namespace moe::kernels
