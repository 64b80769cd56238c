// The bias that every expert of a block carries, so that the block adds another
// to its output.

#ifndef MOE_ALIGN_STORED_BIAS_H_
#define MOE_ALIGN_STORED_BIAS_H_

#include "absl/status/statusor.h"
#include "moe/align/align_options.pb.h"
#include "moe/checkpoint/dtype.h"

namespace moe {

// Experts are weighted with a sum of 1, and what comes out is multiplied by the
// block's scale factor: so each carries `bias` / `scale_factor`. PUBLISHED:
// `bias` itself, and the block adds `scale_factor` times that.
double ExpertBias(float bias, double scale_factor, AlignOptions::Mode mode);

// The number that a tensor of a weight type has for `value`: rounded to float,
// then to the type, to nearest even. InvalidArgument where that is beyond the
// type.
absl::StatusOr<float> RoundToWeight(Dtype dtype, double value);

}  // namespace moe

#endif  // MOE_ALIGN_STORED_BIAS_H_
