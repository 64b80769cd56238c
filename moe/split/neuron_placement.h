// The experts' own neurons: each of the neurons that are left to the expert
// that wants it most, or every expert its best ones.

#ifndef MOE_SPLIT_NEURON_PLACEMENT_H_
#define MOE_SPLIT_NEURON_PLACEMENT_H_

#include <cstdint>
#include <vector>

#include "moe/base/matrix.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
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

// The neurons of a layer from the best to the worst, for each expert.

// Whether score `a` is better than `b`.
inline bool IsBetter(float a, float b, SplitCriterion::Value criterion) {
  return criterion == SplitCriterion::MAX ? a > b : a < b;
}

// Row e has all neurons by scores [num_experts, intermediate_size], the best
// for expert e first; among equal scores, which 0 and -0 are, the lowest index.
// No score may be NaN. O(E I log I).
Matrix<int32_t> RankNeurons(const Matrix<float>& scores,
                            SplitCriterion::Value criterion);

// The neurons of the residual expert: those that most experts would want.

// `count` neurons, in the order in which they are chosen. Round after round:
// each expert lists its best `list_size` neurons of those that are not chosen
// yet (all of them, where there are fewer); of the neurons that stand in the
// most lists, those with the lowest indices are chosen, in ascending order, as
// many as are wanted. `ranking` is that of RankNeurons; `count` at most its
// columns.
//
// O(E I log I): a neuron enters each list once, for the lists are kept from
// round to round.
std::vector<int64_t> ChooseResidualNeurons(const Matrix<int32_t>& ranking,
                                           int64_t list_size, int64_t count);

// How far experts agree on which neurons are good.

// Histograms [num_experts + 1] of a layer: element m counts neurons that m
// experts have to do with.
struct NeuronOverlap {
  // All neurons: m experts have it among their own best `expert_size`.
  std::vector<int64_t> wanted;
  // All neurons: m routed experts have got it.
  std::vector<int64_t> taken;
  // As `wanted`, of the residual expert's neurons only; empty without one.
  std::vector<int64_t> residual_wanted;

  friend bool operator==(const NeuronOverlap&, const NeuronOverlap&) = default;
};

// Of a split that was made by `ranking`, RankNeurons'.
NeuronOverlap OverlapOf(const Matrix<int32_t>& ranking,
                        const LayerNeuronIndices& split);

}  // namespace moe

#endif  // MOE_SPLIT_NEURON_PLACEMENT_H_
