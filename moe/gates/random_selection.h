// Router weights from random features: the hidden states of a few tokens.

#ifndef MOE_GATES_RANDOM_SELECTION_H_
#define MOE_GATES_RANDOM_SELECTION_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/gates/random_selection_options.pb.h"
#include "moe/model/walk/dense_model.h"
#include "moe/model/walk/walk_options.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe {

struct SelectedLayer {
  // Numbers of the tokens whose x_t are the router's rows, in that order; token
  // t of all sequences, one after another.
  std::vector<int64_t> tokens;
  std::vector<int64_t> routed_counts;  // As RoutedCounts.
  double elapsed_sec = 0.0;            // Without the walk.
};

struct RandomSelection {
  GateWeights gate_weights;  // [num_experts, hidden_size] each
  std::vector<SelectedLayer> layers;
};

// For every layer, the MLP's inputs x_t of `num_experts` different tokens,
// drawn without replacement from RandomStream(seed,
// "random_selection/layer/L"). A token whose x_t equals one that was drawn
// before it is passed over: two rows that are the same would leave one expert
// without a token. It happens where texts begin alike, as a token's x_t depends
// only on what comes before it.
//
// One walk over the model. Bits: gate weights and counts are a function of the
// model, the sequences and the options.
//
// InvalidArgument if the options are not valid, or a layer has fewer different
// x_t than experts; the errors of WalkForward.
absl::StatusOr<RandomSelection> SelectHiddenStates(
    DenseModel& model, const TokenSequences& sequences,
    const RandomSelectionOptions& options, const WalkOptions& walk_options,
    const WalkResources& resources);

}  // namespace moe

#endif  // MOE_GATES_RANDOM_SELECTION_H_
