// The rules of neuron splits, word for word and slowly, for tests.

#ifndef MOE_SPLIT_TESTING_NEURON_SPLIT_REFERENCE_H_
#define MOE_SPLIT_TESTING_NEURON_SPLIT_REFERENCE_H_

#include <cstdint>

#include "moe/base/matrix.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/split/split_options.pb.h"

namespace moe::split::reference {

checkpoint::LayerNeuronIndices SplitNeurons(const base::Matrix<float>& scores,
                                            const VanillaSplitOptions& options,
                                            int64_t expert_size);
checkpoint::LayerNeuronIndices SplitNeuronsWithResidual(
    const base::Matrix<float>& scores, const ResidualSplitOptions& options,
    int64_t expert_size);

}  // namespace moe::split::reference

#endif  // MOE_SPLIT_TESTING_NEURON_SPLIT_REFERENCE_H_
