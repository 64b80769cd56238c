// Which neurons of a dense MLP the experts of a layer take.

#ifndef MOE_CONVERT_NEURON_USE_H_
#define MOE_CONVERT_NEURON_USE_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "moe/checkpoint/artifact/neuron_indices.h"

namespace moe {

struct SequentialSplit {
  int64_t num_layers = 0;
  int64_t num_experts = 0;        // E
  int64_t intermediate_size = 0;  // I
};

// Expert e takes the neurons [e * I / E, (e + 1) * I / E) of every layer.
// InvalidArgument where E does not divide I.
absl::StatusOr<NeuronIndices> SplitSequentially(const SequentialSplit& split);

struct NeuronUse {
  int64_t num_unused = 0;  // By no expert.
  int64_t num_shared = 0;  // By more than one.
};

// Of a layer whose indices are valid.
NeuronUse CountUse(const LayerNeuronIndices& layer, int64_t intermediate_size);

}  // namespace moe

#endif  // MOE_CONVERT_NEURON_USE_H_
