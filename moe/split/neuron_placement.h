// The algorithms behind a neuron split: they rank the neurons, choose those of
// the residual expert, place the others with routed experts, and count how far
// the experts agree.

#ifndef MOE_SPLIT_NEURON_PLACEMENT_H_
#define MOE_SPLIT_NEURON_PLACEMENT_H_

#include <cstdint>
#include <vector>

#include "moe/base/matrix.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/split/split_options.pb.h"

namespace moe::split {

// How much each expert wants each neuron.
struct NeuronPreferences {
  const base::Matrix<float>& scores;     // [num_experts, intermediate_size]
  const base::Matrix<int32_t>& ranking;  // RankNeurons(scores, criterion)
  SplitCriterion::Value criterion = SplitCriterion::MAX;
};

// Places neurons one by one until every expert has `expert_size` of them. A
// step takes the best free neuron of each expert that is not full, and places
// the one with the best score; of equal scores, that of the highest expert. Row
// e has the neurons of expert e in the order in which it got them.
//
// `is_taken`, [intermediate_size], marks the neurons that are not free; the
// function updates it. There must be enough free neurons. O(E I).
base::Matrix<int64_t> PlaceNeurons(const NeuronPreferences& preferences,
                                   int64_t expert_size,
                                   std::vector<bool>& is_taken);

// Row e has the `expert_size` best neurons for expert e that are not in
// `is_taken`, the best first. Experts may share neurons.
base::Matrix<int64_t> BestNeurons(const base::Matrix<int32_t>& ranking,
                                  int64_t expert_size,
                                  const std::vector<bool>& is_taken);

// Whether score `a` is better than `b`.
inline bool IsBetter(float a, float b, SplitCriterion::Value criterion) {
  return criterion == SplitCriterion::MAX ? a > b : a < b;
}

// Row e has all neurons, the best for expert e first, by `scores` [num_experts,
// intermediate_size]. Of equal scores, which include 0 and -0, the lowest index
// comes first. No score may be NaN. O(E I log I).
base::Matrix<int32_t> RankNeurons(const base::Matrix<float>& scores,
                                  SplitCriterion::Value criterion);

// Chooses the neurons of the residual expert: those that most experts would
// take. Returns `count` neurons in the order in which they are chosen. In each
// round every expert lists its `list_size` best neurons that are not chosen
// yet, or all of them if there are fewer. The round chooses the neurons that
// are in the most lists, in ascending order, until there are `count`. `ranking`
// is that of RankNeurons; `count` is at most the number of its columns.
//
// O(E I log I): the lists stay from round to round, so that a neuron enters
// each list once.
std::vector<int64_t> ChooseResidualNeurons(const base::Matrix<int32_t>& ranking,
                                           int64_t list_size, int64_t count);

// How far the experts of a layer agree. Histograms [num_experts + 1]: element m
// counts the neurons for which m experts meet the condition.
struct NeuronOverlap {
  // Over all neurons: it is among the expert's own `expert_size` best.
  std::vector<int64_t> wanted;
  // Over all neurons: the routed expert got it.
  std::vector<int64_t> taken;
  // As `wanted`, over the residual expert's neurons; empty without a residual
  // expert.
  std::vector<int64_t> residual_wanted;

  friend bool operator==(const NeuronOverlap&, const NeuronOverlap&) = default;
};

// The overlap of a split that was made with `ranking`, that of RankNeurons.
NeuronOverlap OverlapOf(const base::Matrix<int32_t>& ranking,
                        const checkpoint::LayerNeuronIndices& split);

}  // namespace moe::split

#endif  // MOE_SPLIT_NEURON_PLACEMENT_H_
