// The walk: hidden states of all sequences through the decoder, layer by layer.
//
// The outer loop is over layers and the inner one over sequences: one layer's
// weights are in memory at a time, unless the memory budget has room for all of
// them. A tap looks at activations. Clustering, recording and evaluation are
// taps on the same walk. They do not know how weights are loaded, sequences
// batched, work threaded or hidden states spilled.
//
// Bits: what a tap gets for a token, and every result, is a function of the
// model and of the token's sequence up to it. It does not depend on the memory
// budget, the number of threads, the SIMD target, or the other sequences.

#ifndef MOE_MODEL_WALK_DENSE_WALK_H_
#define MOE_MODEL_WALK_DENSE_WALK_H_

#include "absl/status/statusor.h"
#include "moe/model/walk/hidden_states.h"
#include "moe/model/walk/model.h"
#include "moe/model/walk/walk_options.h"
#include "moe/model/walk/walk_tap.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::model {

// Walks through all layers. Returns the hidden states [T, H] after the last
// one, before the final norm. `tap` may be null.
//
// Errors: those of PlanWalk, ReadWeight, HiddenStates and the tap;
// InvalidArgument, with layer, activation, sequence and position, if an
// activation is NaN or infinite.
//
// Cost for each layer: 2 T (Q H + 2 K H + H Q + 3 I H) floating-point
// operations for the products with weights, and 4 Q (t + 1) for the attention
// of token t of a sequence.
absl::StatusOr<HiddenStates> WalkForward(Model& model,
                                         const text::TokenSequences& sequences,
                                         const WalkOptions& options,
                                         WalkTap* tap,
                                         const WalkResources& resources);

}  // namespace moe::model

#endif  // MOE_MODEL_WALK_DENSE_WALK_H_
