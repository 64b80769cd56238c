#include "moe/reconstruct/token_weights.h"

#include <cstddef>
#include <vector>

#include "absl/types/span.h"

namespace moe::reconstruct {

std::vector<float> TokenWeights(absl::Span<const double> squared_norms,
                                double num_features, double epsilon) {
  std::vector<double> inverse(squared_norms.size());
  double sum = 0.0;
  for (size_t t = 0; t < inverse.size(); ++t) {
    inverse[t] = 1.0 / (squared_norms[t] / num_features + epsilon);
    sum += inverse[t];
  }
  const double mean = sum / static_cast<double>(inverse.size());
  std::vector<float> weights(inverse.size());
  for (size_t t = 0; t < inverse.size(); ++t) {
    weights[t] = static_cast<float>(inverse[t] / mean);
  }
  return weights;
}

}  // namespace moe::reconstruct
