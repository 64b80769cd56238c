// The walk: hidden states of all sequences through the decoder, layer by layer.
//
// Layer outside, sequences inside: one layer's weights are in memory at a time,
// unless the memory budget has room for all of them. What looks at activations
// is a tap; clustering, recording and evaluation are taps on one walk, and do
// not know how weights are loaded, sequences batched, work threaded or hidden
// states spilled.
//
// Bits: what a tap is given for a token, and every result, is a function of the
// model and the token's sequence up to it. Not of the memory budget, the number
// of threads, the SIMD target, or which other sequences there are.

#ifndef MOE_MODEL_WALK_DENSE_WALK_H_
#define MOE_MODEL_WALK_DENSE_WALK_H_

#include "absl/status/statusor.h"
#include "moe/model/walk/hidden_states.h"
#include "moe/model/walk/model.h"
#include "moe/model/walk/walk_options.h"
#include "moe/model/walk/walk_tap.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe {

// Walks through all layers and gives the hidden states [T, H] after the last
// one, before the final norm. `tap` may be null.
//
// Errors: those of PlanWalk, ReadWeight, HiddenStates and the tap;
// InvalidArgument, with layer, activation, sequence and position, where an
// activation is NaN or infinite.
//
// Cost: 2 T (Q H + 2 K H + H Q + 3 I H) floating-point operations a layer for
// the products with weights, and 4 Q (t + 1) for token t of a sequence's
// attention.
absl::StatusOr<HiddenStates> WalkForward(Model& model,
                                         const TokenSequences& sequences,
                                         const WalkOptions& options,
                                         WalkTap* tap,
                                         const WalkResources& resources);

}  // namespace moe

#endif  // MOE_MODEL_WALK_DENSE_WALK_H_
