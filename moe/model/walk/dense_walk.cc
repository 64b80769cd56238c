#include "moe/model/walk/dense_walk.h"

#include <cstdint>

#include "absl/status/statusor.h"
#include "moe/base/float_environment.h"
#include "moe/base/status_macros.h"
#include "moe/model/layer/decoder_layer_weights.h"
#include "moe/model/layer/linear.h"
#include "moe/model/walk/held_output.h"
#include "moe/model/walk/hidden_states.h"
#include "moe/model/walk/layer_pass.h"
#include "moe/model/walk/layer_weight_stream.h"
#include "moe/model/walk/model.h"
#include "moe/model/walk/walk_options.h"
#include "moe/model/walk/walk_plan.h"
#include "moe/model/walk/walk_tap.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::model {

absl::StatusOr<HiddenStates> WalkForward(Model& model,
                                         const text::TokenSequences& sequences,
                                         const WalkOptions& options,
                                         WalkTap* tap,
                                         const WalkResources& resources) {
  constexpr LayerPasses kPasses = LayerPasses::kForward;
  MOE_ASSIGN_OR_RETURN(WalkPlan plan,
                       PlanWalk(model, sequences, kPasses, options, resources));
  const int64_t num_tokens = sequences.num_tokens();
  const int64_t num_layers = model.config().num_hidden_layers;
  MOE_ASSIGN_OR_RETURN(
      HiddenStates hidden,
      HiddenStates::Create(num_tokens, model.config().hidden_size,
                           resources.budget, options.spill_directory));
  MOE_RETURN_IF_ERROR(
      KeepWeightsIfTheyFit(model, kPasses, options, resources.budget, plan));
  resources.progress.Start("forward", num_layers * num_tokens,
                           "tokens x layers");
  MOE_RETURN_IF_ERROR(EmbedSequences(model, sequences, plan, hidden));
  LayerWeightStream stream(model, kPasses, LayerOrder::kFirstToLast,
                           plan.weights, resources.pool);
  HeldOutput held(num_tokens, model.config().hidden_size, resources.budget,
                  options.spill_directory);
  for (int64_t layer = 0; layer < num_layers; ++layer) {
    MOE_ASSIGN_OR_RETURN(const DecoderLayerWeights* const weights,
                         stream.Next());
    MOE_RETURN_IF_ERROR(StepForward(
        model, plan, options,
        {layer, weights, &hidden, &hidden, tap, {}, &held}, resources));
  }
  MOE_RETURN_IF_ERROR(base::CheckFloatEnvironment("the forward walk"));
  resources.progress.Finish();
  return hidden;
}

}  // namespace moe::model
