// Which neurons of a dense model to keep: the baseline of conversions to
// experts. With as many neurons as a token goes through in a converted model,
// but the same ones for every token, it shows what routing is worth.
//
// Each layer keeps the neurons with the largest energy, those that split_energy
// would share. They come from the dense model's own hidden states: a layer is
// not chosen for what the layers before it have lost.
// reconstruct_converted_model makes up for that afterwards. narrow_mlp.h writes
// the checkpoint.

#ifndef MOE_RECONSTRUCT_NEURON_REMOVAL_H_
#define MOE_RECONSTRUCT_NEURON_REMOVAL_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/convert/narrow_mlp.h"
#include "moe/model/walk/dense_model.h"
#include "moe/model/walk/walk_options.h"
#include "moe/reconstruct/neuron_removal_options.pb.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::reconstruct {

// Energies of a layer's neurons, each summed over all tokens.
struct KeptEnergy {
  double kept = 0.0;  // The sum over the kept neurons.
  double removed = 0.0;
  double least_kept = 0.0;  // A single neuron's, as the next two.
  double largest_kept = 0.0;
  double largest_removed = 0.0;  // 0 where none is removed.
};

struct NeuronRemoval {
  convert::KeptNeurons kept;
  std::vector<KeptEnergy> energies;  // For each layer.
};

// CheckOptions; InvalidArgument if the model has fewer than num_neurons.
absl::Status CheckNeuronRemoval(const NeuronRemovalOptions& options,
                                const checkpoint::LlamaConfig& config);

// The num_neurons neurons of each layer with the largest sums of V_tn over all
// tokens (energy_sums.h), ties to the lowest index. Walks once over the
// sequences in their canonical order.
//
// Bits: a function of the model, the options and the set of sequences.
//
// Cost: a walk. Memory: V [T, I] of a layer, spilled where the budget has no
// room, LayerEnergies::Bytes, and a few rows of V.
//
// Errors: those of CheckNeuronRemoval and CheckSequences, before the walk;
// those of WalkForward and LayerEnergies, with the layer; ResourceExhausted if
// the budget has no room for what cannot be spilled.
absl::StatusOr<NeuronRemoval> ChooseNeurons(
    model::DenseModel& model, const text::TokenSequences& sequences,
    const NeuronRemovalOptions& options, const model::WalkOptions& walk_options,
    const model::WalkResources& resources);

}  // namespace moe::reconstruct

#endif  // MOE_RECONSTRUCT_NEURON_REMOVAL_H_
