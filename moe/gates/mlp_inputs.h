// The inputs of the decoder's MLPs, layer after layer: what routers are made
// from.

#ifndef MOE_GATES_MLP_INPUTS_H_
#define MOE_GATES_MLP_INPUTS_H_

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "moe/model/walk/dense_model.h"
#include "moe/model/walk/hidden_states.h"
#include "moe/model/walk/walk_options.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe {

// Walks over the model once and calls `body`, for every layer in ascending
// order, with x_t, the output of post_attention_layernorm, for all tokens in
// their order: [T, H], in memory where the budget has room for it, else
// spilled. Only one layer's are kept at a time. Ends with the first error of
// `body`, which is told the layer, or of WalkForward.
absl::Status ForEachMlpInputs(
    DenseModel& model, const TokenSequences& sequences,
    const WalkOptions& options, const WalkResources& resources,
    absl::FunctionRef<absl::Status(int64_t layer, HiddenStates& inputs)> body);

}  // namespace moe

#endif  // MOE_GATES_MLP_INPUTS_H_
