// A dense layer's output bias as its experts carry it.

#ifndef MOE_CONVERT_EXPERT_BIAS_H_
#define MOE_CONVERT_EXPERT_BIAS_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/checkpoint/sharded_tensors.h"

namespace moe {

// `bias` / `scale`: every expert adds it, the experts' outputs are weighted
// with a sum of 1 and multiplied by `scale`, and the dense bias comes out. The
// bytes of the quotients, in the bias' type.
//
// InvalidArgument, with the tensor, its first element of that kind and `field`,
// the name of `scale`: for every bias but 0 unless `scale` is a power of two,
// since the quotients are exact then and by luck otherwise; for a quotient that
// leaves the range of the type's exact ones even so. The errors of ReadFinite.
absl::StatusOr<std::string> DivideBias(const TensorLocation& bias, double scale,
                                       absl::string_view field);

}  // namespace moe

#endif  // MOE_CONVERT_EXPERT_BIAS_H_
