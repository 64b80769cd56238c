// Which neurons of the dense MLP each expert takes.
//
// The step between neuron importance and the conversion of the MLP (LLaMA-MoE
// v2, gradient split). A neuron is a row of gate_proj and up_proj and the
// column of down_proj that belongs to it; here it is an index.

#ifndef MOE_SPLIT_NEURON_SPLIT_H_
#define MOE_SPLIT_NEURON_SPLIT_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/artifact/importance_scores.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/split/neuron_overlap.h"
#include "moe/split/split_options.pb.h"

namespace moe {

struct NeuronSplit {
  NeuronIndices indices;
  std::vector<NeuronOverlap> overlaps;  // Of each layer.
};

// For scores [C, I] of each layer, C = num_experts, with ExpertSize neurons for
// every expert.
//
// Neurons that are not shared: PlaceNeurons, and then each expert's in
// ascending order. Shared: BestNeurons, the best first.
//
// Layers are shared out among threads; the result is a function of scores and
// options alone. The errors of ValidateVanillaSplitOptions, ExpertSize and
// ValidateImportanceScores: the clusters have to be num_experts, the scores
// finite.
absl::StatusOr<NeuronSplit> SplitNeurons(const ImportanceScores& scores,
                                         const VanillaSplitOptions& options,
                                         ThreadPool& pool);

// For scores [C, I], C = num_experts_moe. First the residual expert:
// ChooseResidualNeurons, num_experts_residual * ExpertSize of them out of lists
// of ExpertSize. Then the routed experts have the others: PlaceNeurons, in the
// order in which they are placed, or shared, BestNeurons.
//
// Otherwise as above.
absl::StatusOr<NeuronSplit> SplitNeuronsWithResidual(
    const ImportanceScores& scores, const ResidualSplitOptions& options,
    ThreadPool& pool);

struct MlpShape {
  int64_t num_layers = 0;
  int64_t intermediate_size = 0;
};

// Splits for comparison, that look at no scores. SEQUENTIAL: expert e takes
// [e I / E, (e + 1) I / E). RANDOM: the same of a permutation of the neurons,
// Shuffle by the stream "split_random/layer/L", then ascending.
//
// The errors of ValidateNaiveSplitOptions and ExpertSize.
absl::StatusOr<NeuronIndices> SplitNeuronsNaively(
    const MlpShape& shape, const NaiveSplitOptions& options);

}  // namespace moe

#endif  // MOE_SPLIT_NEURON_SPLIT_H_
