// The neurons of the dense MLP that each expert takes.
//
// The step between neuron importance and the conversion of the MLP (LLaMA-MoE
// v2, gradient split). A neuron is a row of gate_proj and up_proj with its
// column of down_proj. Here it is an index.

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

namespace moe::split {

struct NeuronSplit {
  checkpoint::NeuronIndices indices;
  std::vector<NeuronOverlap> overlaps;  // [num_layers]
};

// Splits every layer by its scores [C, I], C = num_experts. Each expert takes
// ExpertSize neurons: without share_neurons those of PlaceNeurons, in ascending
// order; with it those of BestNeurons, the best first.
//
// Threads share the layers. The result is a function of scores and options
// alone. Errors: those of CheckOptions, ExpertSize and ValidateImportanceScores
// (there must be num_experts clusters, and the scores must be finite).
absl::StatusOr<NeuronSplit> SplitNeurons(
    const checkpoint::ImportanceScores& scores,
    const VanillaSplitOptions& options, base::ThreadPool& pool);

// Splits every layer by its scores [C, I], C = num_experts_moe. The residual
// expert takes num_experts_residual * ExpertSize neurons by
// ChooseResidualNeurons, with lists of ExpertSize. The routed experts take from
// the others: without share_neurons by PlaceNeurons, in the order of placement;
// with it by BestNeurons. Threads and errors as above.
absl::StatusOr<NeuronSplit> SplitNeuronsWithResidual(
    const checkpoint::ImportanceScores& scores,
    const ResidualSplitOptions& options, base::ThreadPool& pool);

struct MlpShape {
  int64_t num_layers = 0;
  int64_t intermediate_size = 0;
};

// Splits without scores, for comparison. SEQUENTIAL: expert e takes the neurons
// [e I / E, (e + 1) I / E). RANDOM: the same places of a permutation, made by
// Shuffle with the stream "split_random/layer/L"; each expert's neurons are
// then sorted.
//
// The errors of CheckOptions and ExpertSize.
absl::StatusOr<checkpoint::NeuronIndices> SplitNeuronsNaively(
    const MlpShape& shape, const NaiveSplitOptions& options);

// The number of neurons of an expert for an MLP of `intermediate_size` neurons.
// The options must be valid. InvalidArgument if the experts cannot share the
// neurons evenly, or there are too few neurons.
absl::StatusOr<int64_t> ExpertSize(const VanillaSplitOptions& options,
                                   int64_t intermediate_size);
absl::StatusOr<int64_t> ExpertSize(const ResidualSplitOptions& options,
                                   int64_t intermediate_size);
absl::StatusOr<int64_t> ExpertSize(const NaiveSplitOptions& options,
                                   int64_t intermediate_size);

// {"options": {...}, "layers": [{"layer", "expert_size", "residual_size",
// "wanted", "taken", "residual_wanted"}]}. The last three are the histograms of
// NeuronOverlap. Only residual splits have "residual_size" and
// "residual_wanted".
base::Json SplitReportToJson(const VanillaSplitOptions& options,
                             const NeuronSplit& split);
base::Json SplitReportToJson(const ResidualSplitOptions& options,
                             const NeuronSplit& split);
// {"options": {...}, "layers": [{"layer", "expert_size"}]}
base::Json SplitReportToJson(const NaiveSplitOptions& options,
                             const checkpoint::NeuronIndices& indices);

// A line for each layer: the sizes; how many neurons are among the best of no
// expert, of one and of several, and the most experts for a neuron; the same
// for the neurons that experts got; and the mean number of experts that have a
// residual neuron among their best.
std::string FormatSplitReport(const NeuronSplit& split);

}  // namespace moe::split

#endif  // MOE_SPLIT_NEURON_SPLIT_H_
