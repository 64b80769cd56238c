// The weights of tokens in least squares.

#ifndef MOE_RECONSTRUCT_TOKEN_WEIGHTS_H_
#define MOE_RECONSTRUCT_TOKEN_WEIGHTS_H_

#include <vector>

#include "absl/types/span.h"

namespace moe::reconstruct {

// For hidden states r_t with squared norms `squared_norms`, in double:
//
//   v_t = 1 / (squared_norms[t] / num_features + epsilon)
//   w_t = float(v_t / (sum of v / T))
//
// An error of a hidden state counts by its size relative to that state, as the
// RMSNorm behind it divides by sqrt(mean r_t^2 + epsilon). The mean weight is
// 1. The sum goes over ascending t. `squared_norms` must not be empty, and
// `num_features` and `epsilon` must be positive.
std::vector<float> TokenWeights(absl::Span<const double> squared_norms,
                                double num_features, double epsilon);

}  // namespace moe::reconstruct

#endif  // MOE_RECONSTRUCT_TOKEN_WEIGHTS_H_
