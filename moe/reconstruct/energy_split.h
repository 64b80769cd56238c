// The energy split of a dense model: router weights and neurons of experts that
// keep most of what the MLPs put out, from calibration data alone, without
// gradients or training.
//
// It takes the place of router weights by clustering, neuron importance and
// neuron split in the pipeline: convert_mixtral_residual (or convert_mixtral,
// where no neurons are shared) reads both artifacts. energy_layer.h says what
// is computed in a layer, layer_energies.h what tokens weigh.

#ifndef MOE_RECONSTRUCT_ENERGY_SPLIT_H_
#define MOE_RECONSTRUCT_ENERGY_SPLIT_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/model/walk/dense_model.h"
#include "moe/model/walk/walk_options.h"
#include "moe/reconstruct/energy_split_options.pb.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::reconstruct {

// What is known of a layer beside router and neurons. Energies are sums over
// all tokens; see EnergyLayer.
struct EnergySplitLayer {
  std::vector<double> captured;  // After each iteration.
  int64_t best_iteration = 0;
  double oracle = 0.0;
  double routed = 0.0;
  double shared = 0.0;
  std::vector<int64_t> loads;
  double elapsed_sec = 0.0;  // Without the walk.
};

struct EnergySplit {
  checkpoint::GateWeights gate_weights;  // [num_experts, hidden_size] each
  // With `residual`, the shared neurons, unless there are none.
  checkpoint::NeuronIndices neuron_indices;
  std::vector<EnergySplitLayer> layers;
};

// CheckOptions; InvalidArgument if top_k is larger than num_experts, or both
// num_shared_neurons and num_experts_residual are set.
absl::Status ValidateEnergySplitOptions(const EnergySplitOptions& options);

// Splits every layer. Walks once over the sequences in their canonical order.
// The start of layer L draws from the stream "split_energy/layer/L".
//
// Bits: everything but the times is a function of the model, the options and
// the set of sequences.
//
// Cost: a walk, and for each layer what SplitLayerByEnergy and StartRouter
// take. Memory: x [T, H] and V [T, I] of a layer, spilled where the budget has
// no room, and EnergyLayerBytes.
//
// Errors: those of ValidateEnergySplitOptions, WithSizes, CheckSequences and
// CheckEnoughTokensFor, before the walk; those of WalkForward, ReadWeight,
// TakeEnergies, StartRouter and SplitLayerByEnergy, with the layer;
// ResourceExhausted if the budget has no room for what cannot be spilled.
absl::StatusOr<EnergySplit> SplitByEnergy(
    model::DenseModel& model, const text::TokenSequences& sequences,
    const EnergySplitOptions& options, const model::WalkOptions& walk_options,
    const model::WalkResources& resources);

}  // namespace moe::reconstruct

#endif  // MOE_RECONSTRUCT_ENERGY_SPLIT_H_
