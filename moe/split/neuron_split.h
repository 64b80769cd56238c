// Which neurons of the dense MLP each expert takes.
//
// The step between neuron importance and the conversion of the MLP (LLaMA-MoE
// v2, gradient split). A neuron is a row of gate_proj and up_proj and the
// column of down_proj that belongs to it; here it is an index.

#ifndef MOE_SPLIT_NEURON_SPLIT_H_
#define MOE_SPLIT_NEURON_SPLIT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "moe/base/json.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/artifact/importance_scores.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/split/neuron_placement.h"
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

// What the options of neuron splits may be, and what they are where they are
// not set.

// Neurons of an expert, for an MLP of `intermediate_size` neurons. The options
// must be valid. InvalidArgument, with what is allowed, if the neurons do not
// come out even, or there are too few of them.
absl::StatusOr<int64_t> ExpertSize(const VanillaSplitOptions& options,
                                   int64_t intermediate_size);
absl::StatusOr<int64_t> ExpertSize(const ResidualSplitOptions& options,
                                   int64_t intermediate_size);
absl::StatusOr<int64_t> ExpertSize(const NaiveSplitOptions& options,
                                   int64_t intermediate_size);

// What is worth knowing of a neuron split beside the indices: as JSON and as a
// table.

// {"options": {...}, "layers": [{"layer", "expert_size", "residual_size",
// "wanted", "taken", "residual_wanted"}]}, the last three being the histograms
// of NeuronOverlap. "residual_size" and "residual_wanted" of residual splits
// only.
Json SplitReportToJson(const VanillaSplitOptions& options,
                       const NeuronSplit& split);
Json SplitReportToJson(const ResidualSplitOptions& options,
                       const NeuronSplit& split);
// {"options": {...}, "layers": [{"layer", "expert_size"}]}
Json SplitReportToJson(const NaiveSplitOptions& options,
                       const NeuronIndices& indices);

// A line for each layer: the sizes, how many neurons are among the best of no
// expert, of one, of several, and of how many at most; the same of those that
// experts got; and of how many experts a residual neuron is among the best, in
// the mean.
std::string FormatSplitReport(const NeuronSplit& split);

}  // namespace moe

#endif  // MOE_SPLIT_NEURON_SPLIT_H_
