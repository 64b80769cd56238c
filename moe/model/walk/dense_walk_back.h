// The backward walk: from the loss to the gradient with respect to every
// layer's MLP activations, which importance scores need.
//
// A forward walk keeps the input of every layer. Then the walk goes through the
// layers from the last to the first and computes each again from its input, so
// that one layer's weights are in memory at a time. Weight gradients are never
// computed, and logits exist for a few tokens at a time.
//
// Bits: what the tap gets for a token is a function of the model, the token's
// sequence and the sequence's weight. It does not depend on the memory budget,
// the number of threads, the SIMD target, or the other sequences.

#ifndef MOE_MODEL_WALK_DENSE_WALK_BACK_H_
#define MOE_MODEL_WALK_DENSE_WALK_BACK_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "moe/base/matrix_view.h"
#include "moe/model/walk/dense_model.h"
#include "moe/model/walk/walk_options.h"
#include "moe/model/walk/weighted_sequences.h"

namespace moe::model {

// The tokens [first_token, first_token + activation.rows) of all, in one layer.
struct GradientRows {
  int64_t layer = 0;
  int64_t first_token = 0;
  base::MatrixView<const float> mlp_input;  // [rows, H]
  base::MatrixView<const float>
      activation;  // a [rows, I], the input of down_proj.
  base::MatrixView<const float> d_activation;  // dLoss/da [rows, I]
};

// Called for all tokens of a layer, in ascending order; layers in descending
// order. An error ends the walk.
using GradientTap = std::function<absl::Status(const GradientRows&)>;

// Passes dLoss/da to the tap, where the weights define Loss
// (moe/model/walk/weighted_sequences.h). Returns the cross entropy of each
// token, as TokenLosses does. All gradients of a sequence are zero if its
// weight is 0 or it has no labels.
//
// Takes T * H floats for each layer, and T * H more, in memory or spilled. The
// errors of WalkForward, TokenLosses and the tap.
//
// Cost: the forward walk; then for each layer its forward again without
// down_proj, and as much as its forward for the gradients of the products with
// weights.
absl::StatusOr<std::vector<float>> WalkBack(DenseModel& model,
                                            const WeightedSequences& all,
                                            const WalkOptions& options,
                                            const GradientTap& tap,
                                            const WalkResources& resources);

}  // namespace moe::model

#endif  // MOE_MODEL_WALK_DENSE_WALK_BACK_H_
