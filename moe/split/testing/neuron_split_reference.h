// The rules of neuron splits, word for word and slowly, for tests.

#ifndef MOE_SPLIT_TESTING_NEURON_SPLIT_REFERENCE_H_
#define MOE_SPLIT_TESTING_NEURON_SPLIT_REFERENCE_H_

#include <cstdint>

#include "moe/base/matrix.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/split/split_options.pb.h"

namespace moe::reference {

LayerNeuronIndices SplitNeurons(const Matrix<float>& scores,
                                const VanillaSplitOptions& options,
                                int64_t expert_size);
LayerNeuronIndices SplitNeuronsWithResidual(const Matrix<float>& scores,
                                            const ResidualSplitOptions& options,
                                            int64_t expert_size);

}  // namespace moe::reference

#endif  // MOE_SPLIT_TESTING_NEURON_SPLIT_REFERENCE_H_
