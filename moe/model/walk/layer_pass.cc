#include "moe/model/walk/layer_pass.h"

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "moe/base/status_macros.h"
#include "moe/kernels/simd/matrix_view.h"
#include "moe/model/layer/decoder_layer.h"
#include "moe/model/layer/decoder_layer_weights.h"
#include "moe/model/layer/float_matrix.h"
#include "moe/model/walk/dense_model.h"
#include "moe/model/walk/embedding.h"
#include "moe/model/walk/hidden_states.h"
#include "moe/model/walk/sequence_groups.h"
#include "moe/model/walk/walk_options.h"
#include "moe/model/walk/walk_plan.h"
#include "moe/model/walk/walk_tap.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::internal {
namespace {

LayerTaps TapsOf(WalkTap* tap, const TapContext& context) {
  LayerTaps taps;
  if (tap == nullptr) return taps;
  taps.attention_output = [tap, context](MatrixView<float> output) {
    return tap->OnAttentionOutput(context, output);
  };
  taps.mlp_input = [tap, context](MatrixView<const float> input) {
    return tap->OnMlpInput(context, input);
  };
  taps.mlp_output = [tap, context](MatrixView<float> output) {
    return tap->OnMlpOutput(context, output);
  };
  return taps;
}

}  // namespace

absl::Status EmbedSequences(const DenseModel& model,
                            const TokenSequences& sequences,
                            const WalkPlan& plan, HiddenStates& hidden) {
  FloatMatrix buffer;
  for (const SequenceGroup& group : plan.groups) {
    const MatrixView<float> rows =
        hidden.Prepare(group.first_token, group.end_token(), buffer);
    MOE_RETURN_IF_ERROR(EmbedTokens(
        model.checkpoint(),
        sequences.input_ids().subspan(static_cast<size_t>(group.first_token),
                                      static_cast<size_t>(group.num_tokens())),
        rows));
    MOE_RETURN_IF_ERROR(hidden.Store(group.first_token, rows));
  }
  return absl::OkStatus();
}

DecoderLayer LayerOf(const DenseModel& model, const WalkPlan& plan,
                     const DecoderLayerWeights& weights,
                     const WalkOptions& options) {
  return {&model.config(), &weights, &plan.rotary, options.blocks};
}

absl::Status StepForward(const DenseModel& model, const WalkPlan& plan,
                         const WalkOptions& options, const LayerStep& step,
                         const WalkResources& resources) {
  const DecoderLayer layer = LayerOf(model, plan, *step.weights, options);
  if (step.tap != nullptr) {
    MOE_RETURN_IF_ERROR(step.tap->OnLayerStart(step.layer));
  }
  FloatMatrix input_buffer, output_buffer;
  for (size_t g = 0; g < plan.groups.size(); ++g) {
    const SequenceGroup& group = plan.groups[g];
    MOE_ASSIGN_OR_RETURN(
        const MatrixView<float> x,
        step.input->Load(group.first_token, group.end_token(), input_buffer));
    const MatrixView<float> y =
        step.output == step.input
            ? x
            : step.output->Prepare(group.first_token, group.end_token(),
                                   output_buffer);
    LayerTaps taps = TapsOf(step.tap, {step.layer, group});
    if (!step.saved_attention.empty() && step.saved_attention[g].has_value()) {
      taps.saved_attention = &*step.saved_attention[g];
    }
    MOE_RETURN_IF_ERROR(Annotate(
        DecoderLayerForward(layer, {group.offsets, x, group.first_sequence},
                            taps, y, resources.pool),
        absl::StrCat("layer ", step.layer)));
    MOE_RETURN_IF_ERROR(step.output->Store(group.first_token, y));
    resources.progress.Advance(group.num_tokens());
  }
  return step.tap == nullptr ? absl::OkStatus()
                             : step.tap->OnLayerEnd(step.layer);
}

}  // namespace moe::internal
