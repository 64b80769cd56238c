// The parts of a walk: the embedding of all tokens, and a layer for all groups
// of sequences.

#ifndef MOE_MODEL_WALK_LAYER_PASS_H_
#define MOE_MODEL_WALK_LAYER_PASS_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "moe/model/layer/attention.h"
#include "moe/model/layer/decoder_layer.h"
#include "moe/model/layer/decoder_layer_weights.h"
#include "moe/model/walk/held_output.h"
#include "moe/model/walk/hidden_states.h"
#include "moe/model/walk/model.h"
#include "moe/model/walk/walk_options.h"
#include "moe/model/walk/walk_plan.h"
#include "moe/model/walk/walk_tap.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::model {

// Fills `hidden` with the input embedding of every token.
absl::Status EmbedSequences(const Model& model,
                            const text::TokenSequences& sequences,
                            const WalkPlan& plan, HiddenStates& hidden);

struct LayerStep {
  int64_t layer = 0;
  const DecoderLayerWeights* weights = nullptr;
  HiddenStates* input = nullptr;
  HiddenStates* output = nullptr;  // May be `input`.
  WalkTap* tap = nullptr;          // May be null.
  // For each group of the plan, room for what the backward walk can reuse; or
  // empty. The step fills only the elements that have a value.
  absl::Span<std::optional<SavedAttention>> saved_attention;
  HeldOutput* held = nullptr;  // For blocks that the tap surveys.
};

// The layer with its weights, which must outlive it, as do model and plan.
DecoderLayer LayerOf(const Model& model, const WalkPlan& plan,
                     const DecoderLayerWeights& weights,
                     const WalkOptions& options);

// Runs a layer's forward for every group. Advances the progress by every token.
absl::Status StepForward(const Model& model, const WalkPlan& plan,
                         const WalkOptions& options, const LayerStep& step,
                         const WalkResources& resources);

}  // namespace moe::model

#endif  // MOE_MODEL_WALK_LAYER_PASS_H_
