// How far experts agree on which neurons are good.

#ifndef MOE_SPLIT_NEURON_OVERLAP_H_
#define MOE_SPLIT_NEURON_OVERLAP_H_

#include <cstdint>
#include <vector>

#include "moe/base/matrix.h"
#include "moe/checkpoint/artifact/neuron_indices.h"

namespace moe {

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

#endif  // MOE_SPLIT_NEURON_OVERLAP_H_
