// The split of a dense model by activation rates: the published method CMoE
// ("Carved MoE", arXiv 2502.04416), for comparison with the energy split.
//
// As split_energy, it makes router weights and neurons of experts from
// calibration data alone, and the same conversions read both artifacts.
// rate_layer.h says how the neurons of a layer are split.
//
// Router: CMoE's is analytic. Expert e scores a token x by its representative
// neuron r,
//
//   silu(w_gate_r . x) * (w_up_r . x)
//
// and the chosen experts weigh 1. A linear router has one row an expert. It
// gets the linear part of this score:
//
//   router_scale * w_gate_r . x
//
// silu, which rises with its argument above -1.28, and the factor of up_proj
// are left out. So experts can rank differently: where the factor is negative,
// an expert that would rank low ranks high. With a small router_scale and a
// scale_factor of top_k, chosen experts weigh 1 as published.

#ifndef MOE_RECONSTRUCT_RATE_SPLIT_H_
#define MOE_RECONSTRUCT_RATE_SPLIT_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/model/walk/dense_model.h"
#include "moe/model/walk/walk_options.h"
#include "moe/reconstruct/rate_split_options.pb.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::reconstruct {

// What is known of a layer beside router and neurons. An activation is a pair
// of a token and a neuron that it activates: T K_a in all. `captured` are those
// of the experts that the router chooses, `oracle` those that the best choice
// has.
struct ActivationRateSplitLayer {
  std::vector<double> spread;  // As in ActivationRateLayer.
  std::vector<int64_t> representatives;
  int64_t captured = 0;
  int64_t oracle = 0;
  int64_t routed = 0;
  int64_t shared = 0;
  std::vector<int64_t> loads;  // The tokens of each expert.
  double elapsed_sec = 0.0;    // Without the walk.
};

struct ActivationRateSplit {
  checkpoint::GateWeights gate_weights;  // [num_experts, hidden_size] each
  // With `residual`, the shared neurons, unless there are none.
  checkpoint::NeuronIndices neuron_indices;
  std::vector<ActivationRateSplitLayer> layers;
};

// CheckOptions; InvalidArgument if top_k is larger than num_experts.
absl::Status ValidateActivationRateSplitOptions(
    const ActivationRateSplitOptions& options);

// Splits every layer. Walks once over the sequences in their canonical order.
//
// Bits: everything but the times is a function of the model, the options and
// the set of sequences.
//
// Cost: a walk, and for each layer what SplitLayerByActivationRate takes and
// the logits of all tokens. Memory: x [T, H] of a layer, spilled where the
// budget has no room, and ActivationRateLayerBytes.
//
// Errors: those of ValidateActivationRateSplitOptions, WithSizes,
// CheckSequences and CheckEnoughTokensFor, and InvalidArgument for more
// activated neurons than there are, before the walk; those of WalkForward,
// ReadWeightRows, ActivateNeurons, SplitLayerByActivationRate and
// ChooseExperts, with the layer; ResourceExhausted if the budget has no room
// for what cannot be spilled.
absl::StatusOr<ActivationRateSplit> SplitByActivationRate(
    model::DenseModel& model, const text::TokenSequences& sequences,
    const ActivationRateSplitOptions& options,
    const model::WalkOptions& walk_options,
    const model::WalkResources& resources);

}  // namespace moe::reconstruct

#endif  // MOE_RECONSTRUCT_RATE_SPLIT_H_
