// The experts' own neurons: each of the neurons that are left to the expert
// that wants it most, or every expert its best ones.

#ifndef MOE_SPLIT_NEURON_PLACEMENT_H_
#define MOE_SPLIT_NEURON_PLACEMENT_H_

#include <cstdint>
#include <vector>

#include "moe/base/matrix.h"
#include "moe/split/split_options.pb.h"

namespace moe {

// Who wants which neuron how much.
struct NeuronPreferences {
  const Matrix<float>& scores;     // [num_experts, intermediate_size]
  const Matrix<int32_t>& ranking;  // RankNeurons(scores, criterion)
  SplitCriterion::Value criterion = SplitCriterion::MAX;
};

// Until every expert has `expert_size` neurons: of the best neuron of each
// expert that is not full, among those that are not in `is_taken`, the one with
// the best score goes to its expert; among equal scores, to the highest expert.
// Row e has the neurons of expert e in the order in which it got them.
//
// `is_taken`, [intermediate_size], is changed; there must be neurons enough.
// O(E I).
Matrix<int64_t> PlaceNeurons(const NeuronPreferences& preferences,
                             int64_t expert_size, std::vector<bool>& is_taken);

// Row e has the best `expert_size` neurons for expert e of those that are not
// in `is_taken`, the best first, whatever the other experts have.
Matrix<int64_t> BestNeurons(const Matrix<int32_t>& ranking, int64_t expert_size,
                            const std::vector<bool>& is_taken);

}  // namespace moe

#endif  // MOE_SPLIT_NEURON_PLACEMENT_H_
