// The MLP inputs of the decoder's layers, which routers are made from, and the
// tokens that a router sends to each expert.

#ifndef MOE_GATES_MLP_INPUTS_H_
#define MOE_GATES_MLP_INPUTS_H_

#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/model/walk/dense_model.h"
#include "moe/model/walk/hidden_states.h"
#include "moe/model/walk/walk_options.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::gates {

// Walks over the model once. Calls `body` for every layer, in ascending order,
// with x_t, the output of post_attention_layernorm, of all tokens in their
// order: [T, H], in memory if the budget has room, else spilled. Keeps one
// layer's x_t at a time. Returns the first error of `body`, with the layer, or
// of WalkForward.
absl::Status ForEachMlpInputs(
    model::DenseModel& model, const text::TokenSequences& sequences,
    const model::WalkOptions& options, const model::WalkResources& resources,
    absl::FunctionRef<absl::Status(int64_t layer, model::HiddenStates& inputs)>
        body);

// How many tokens a router puts first with each expert: element e is the number
// of rows of `points` [T, H] whose expert is e by TopExperts with `router`
// [E, H]. The errors of TopExperts.
absl::StatusOr<std::vector<int64_t>> RoutedCounts(
    model::HiddenStates& points, base::MatrixView<const float> router,
    base::ThreadPool& pool);

// InvalidArgument if there are fewer tokens than experts.
absl::Status CheckEnoughTokens(int64_t num_tokens, int64_t num_experts);

}  // namespace moe::gates

#endif  // MOE_GATES_MLP_INPUTS_H_
