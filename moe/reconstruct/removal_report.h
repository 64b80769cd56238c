// What remove_neurons says of each layer.

#ifndef MOE_RECONSTRUCT_REMOVAL_REPORT_H_
#define MOE_RECONSTRUCT_REMOVAL_REPORT_H_

#include <cstdint>
#include <string>

#include "moe/base/json.h"
#include "moe/reconstruct/neuron_removal.h"
#include "moe/reconstruct/neuron_removal_options.pb.h"

namespace moe::reconstruct {

// {"options": {...}, "intermediate_size", "kept_share", "layers": [{"layer",
// "kept_share", "largest_kept_share", "least_kept_share",
// "largest_removed_share"}]}.
//
// intermediate_size is that of the dense model. A layer's kept_share is the
// energy of all kept neurons by that of all neurons; its other shares are of
// one neuron by the same. The kept_share of the model is the mean of the
// layers'. A share is 0 where there is no energy.
base::Json NeuronRemovalToJson(const NeuronRemovalOptions& options,
                               int64_t intermediate_size,
                               const NeuronRemoval& removal);

// A line for each layer, and one for the least, the mean and the largest share
// of energy that a layer keeps.
std::string FormatNeuronRemoval(const NeuronRemoval& removal);

}  // namespace moe::reconstruct

#endif  // MOE_RECONSTRUCT_REMOVAL_REPORT_H_
