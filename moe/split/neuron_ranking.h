// The neurons of a layer from the best to the worst, for each expert.

#ifndef MOE_SPLIT_NEURON_RANKING_H_
#define MOE_SPLIT_NEURON_RANKING_H_

#include <cstdint>

#include "moe/base/matrix.h"
#include "moe/split/split_options.pb.h"

namespace moe {

// Whether score `a` is better than `b`.
inline bool IsBetter(float a, float b, SplitCriterion::Value criterion) {
  return criterion == SplitCriterion::MAX ? a > b : a < b;
}

// Row e has all neurons by scores [num_experts, intermediate_size], the best
// for expert e first; among equal scores, which 0 and -0 are, the lowest index.
// No score may be NaN. O(E I log I).
Matrix<int32_t> RankNeurons(const Matrix<float>& scores,
                            SplitCriterion::Value criterion);

}  // namespace moe

#endif  // MOE_SPLIT_NEURON_RANKING_H_
