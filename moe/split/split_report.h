// What is worth knowing of a neuron split beside the indices: as JSON and as a
// table.

#ifndef MOE_SPLIT_SPLIT_REPORT_H_
#define MOE_SPLIT_SPLIT_REPORT_H_

#include <string>

#include "moe/base/json.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/split/neuron_split.h"
#include "moe/split/split_options.pb.h"

namespace moe {

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

#endif  // MOE_SPLIT_SPLIT_REPORT_H_
