// The end of a chunk: its doubles become integers and are added to sums.

#ifndef MOE_KERNELS_SUMS_ADD_FIXED_POINTS_H_
#define MOE_KERNELS_SUMS_ADD_FIXED_POINTS_H_

#include <cstdint>

#include "absl/types/span.h"
#include "moe/kernels/sums/wide_integer.h"

namespace moe::kernels {

// sums[i] += ToFixedPoint(values[i], fraction_bits), for i in ascending order.
// Stops at the first i whose value is NaN or infinite or whose sum would
// overflow, and returns that i; values[i] and those behind it are not added.
// Otherwise returns the number of values. `sums` has as many elements as
// `values`.
int64_t AddFixedPoints(absl::Span<const double> values, int fraction_bits,
                       absl::Span<Int128> sums);

}  // namespace moe::kernels

#endif  // MOE_KERNELS_SUMS_ADD_FIXED_POINTS_H_
