#include "moe/model/walk/layer_pass.h"

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/model/layer/decoder_layer.h"
#include "moe/model/layer/decoder_layer_weights.h"
#include "moe/model/layer/expert_routing.h"
#include "moe/model/layer/layer_batch.h"
#include "moe/model/walk/embedding.h"
#include "moe/model/walk/held_output.h"
#include "moe/model/walk/hidden_states.h"
#include "moe/model/walk/model.h"
#include "moe/model/walk/sequence_groups.h"
#include "moe/model/walk/walk_options.h"
#include "moe/model/walk/walk_plan.h"
#include "moe/model/walk/walk_tap.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::model {
namespace {

LayerTaps TapsOf(WalkTap* tap, const TapContext& context) {
  LayerTaps taps;
  if (tap == nullptr) return taps;
  taps.routing = [tap, context](DecoderBlock block,
                                const std::vector<ExpertTokens>& experts) {
    return tap->OnRouting(context, block, experts);
  };
  taps.mlp_input = [tap, context](base::MatrixView<const float> input) {
    return tap->OnMlpInput(context, input);
  };
  taps.features = [tap, context](const BlockFeatures& features) {
    return tap->OnFeatures(context, features);
  };
  taps.block_parts = [tap, context](DecoderBlock block,
                                    const BlockOutput& out) {
    return tap->OnBlockParts(context, block, out);
  };
  taps.attention_output = [tap, context](base::MatrixView<float> output) {
    return tap->OnAttentionOutput(context, output);
  };
  taps.mlp_output = [tap, context](base::MatrixView<float> output) {
    return tap->OnMlpOutput(context, output);
  };
  return taps;
}

// The rows of a group in a buffer that grows as needed.
base::MatrixView<float> GroupRows(const SequenceGroup& group,
                                  int64_t hidden_size,
                                  base::Matrix<float>& buffer) {
  if (buffer.rows() < group.num_tokens()) {
    buffer = base::Matrix<float>(group.num_tokens(), hidden_size);
  }
  return buffer.view().Rows(0, group.num_tokens());
}

// A layer's forward. A block's output is used at once. If the tap surveys the
// block, the output is held until the tap has seen that of all groups, which
// takes one more pass over the groups.
class ForwardStep {
 public:
  ForwardStep(const DecoderLayer& layer, const WalkPlan& plan,
              const LayerStep& step, const WalkResources& resources)
      : layer_(layer),
        plan_(plan),
        step_(step),
        resources_(resources),
        has_residual_(step.weights->has_residual()),
        surveys_attention_(Surveys(DecoderBlock::kAttention)),
        surveys_mlp_(Surveys(DecoderBlock::kMlp)) {}

  absl::Status Run() {
    if (surveys_attention_) {
      MOE_RETURN_IF_ERROR(ForEachGroup(&ForwardStep::SurveyAttention));
      MOE_RETURN_IF_ERROR(
          step_.tap->OnSurveyEnd(step_.layer, DecoderBlock::kAttention));
    }
    MOE_RETURN_IF_ERROR(ForEachGroup(&ForwardStep::ThroughTheLayer));
    if (!surveys_mlp_) return absl::OkStatus();
    MOE_RETURN_IF_ERROR(
        step_.tap->OnSurveyEnd(step_.layer, DecoderBlock::kMlp));
    return ForEachGroup(&ForwardStep::FinishMlp);
  }

 private:
  // A group with its taps.
  struct Group {
    const SequenceGroup& sequences;
    LayerTaps taps;

    LayerBatch Batch(base::MatrixView<const float> hidden) const {
      return {sequences.offsets, hidden, sequences.first_sequence};
    }
  };

  bool Surveys(DecoderBlock block) const {
    const bool surveys =
        step_.tap != nullptr && step_.tap->Surveys(step_.layer, block);
    MOE_CHECK(!surveys || step_.held != nullptr);
    return surveys;
  }

  absl::Status ForEachGroup(absl::Status (ForwardStep::*body)(const Group&)) {
    for (size_t g = 0; g < plan_.groups.size(); ++g) {
      Group group = {plan_.groups[g],
                     TapsOf(step_.tap, {step_.layer, plan_.groups[g]})};
      if (!step_.saved_attention.empty() &&
          step_.saved_attention[g].has_value()) {
        group.taps.saved_attention = &*step_.saved_attention[g];
      }
      MOE_RETURN_IF_ERROR(base::Annotate((this->*body)(group),
                                         absl::StrCat("layer ", step_.layer)));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<base::MatrixView<float>> LoadInput(
      const SequenceGroup& group) {
    return step_.input->Load(group.first_token, group.end_token(),
                             input_buffer_);
  }

  absl::Status Forward(const Group& group, base::MatrixView<const float> x,
                       const LayerForward& forward) {
    return DecoderLayerForward(layer_, group.Batch(x), group.taps, forward,
                               resources_.pool);
  }

  absl::Status SurveyAttention(const Group& group) {
    MOE_ASSIGN_OR_RETURN(const base::MatrixView<float> x,
                         LoadInput(group.sequences));
    LayerForward forward;
    forward.last = LayerStage::kAttention;
    MOE_ASSIGN_OR_RETURN(
        forward.attention,
        step_.held->Prepare(group.sequences, /*has_residual=*/false));
    MOE_RETURN_IF_ERROR(Forward(group, x, forward));
    return Survey(group, DecoderBlock::kAttention, forward.attention);
  }

  // Shows the tap a block's output, and holds it.
  absl::Status Survey(const Group& group, DecoderBlock block,
                      const BlockOutput& out) {
    MOE_RETURN_IF_ERROR(
        step_.tap->OnSurvey({step_.layer, group.sequences}, block, out));
    return step_.held->Store(group.sequences, out);
  }

  absl::Status ShowOutput(const SequenceGroup& rows,
                          base::MatrixView<const float> hidden) {
    return step_.tap == nullptr
               ? absl::OkStatus()
               : step_.tap->OnLayerOutput({step_.layer, rows}, hidden);
  }

  absl::Status ThroughTheLayer(const Group& group) {
    const SequenceGroup& rows = group.sequences;
    MOE_ASSIGN_OR_RETURN(const base::MatrixView<float> x, LoadInput(rows));
    LayerForward forward;
    forward.hidden =
        step_.output == step_.input
            ? x
            : step_.output->Prepare(rows.first_token, rows.end_token(),
                                    output_buffer_);
    MOE_ASSIGN_OR_RETURN(forward.attention, AttentionOutput(rows, x.cols));
    MOE_ASSIGN_OR_RETURN(forward.mlp, MlpOutput(rows, x.cols));
    if (surveys_attention_) forward.first = LayerStage::kAddAttention;
    if (surveys_mlp_) forward.last = LayerStage::kMlp;
    MOE_RETURN_IF_ERROR(Forward(group, x, forward));
    MOE_RETURN_IF_ERROR(surveys_mlp_
                            ? Survey(group, DecoderBlock::kMlp, forward.mlp)
                            : ShowOutput(rows, forward.hidden));
    MOE_RETURN_IF_ERROR(step_.output->Store(rows.first_token, forward.hidden));
    resources_.progress.Advance(rows.num_tokens());
    return absl::OkStatus();
  }

  // Attention's output as the survey held it, or room for it.
  absl::StatusOr<BlockOutput> AttentionOutput(const SequenceGroup& rows,
                                              int64_t hidden_size) {
    if (surveys_attention_) {
      return step_.held->Load(rows, /*has_residual=*/false);
    }
    return BlockOutput{GroupRows(rows, hidden_size, block_buffer_), {}};
  }

  // Room for the MLP's output, which a survey holds.
  absl::StatusOr<BlockOutput> MlpOutput(const SequenceGroup& rows,
                                        int64_t hidden_size) {
    if (surveys_mlp_) return step_.held->Prepare(rows, has_residual_);
    BlockOutput out = {GroupRows(rows, hidden_size, block_buffer_), {}};
    if (has_residual_) {
      out.residual = GroupRows(rows, hidden_size, residual_buffer_);
    }
    return out;
  }

  absl::Status FinishMlp(const Group& group) {
    const SequenceGroup& rows = group.sequences;
    LayerForward forward;
    forward.first = LayerStage::kAddMlp;
    MOE_ASSIGN_OR_RETURN(
        forward.hidden,
        step_.output->Load(rows.first_token, rows.end_token(), output_buffer_));
    MOE_ASSIGN_OR_RETURN(forward.mlp, step_.held->Load(rows, has_residual_));
    MOE_RETURN_IF_ERROR(Forward(group, forward.hidden, forward));
    MOE_RETURN_IF_ERROR(ShowOutput(rows, forward.hidden));
    return step_.output->Store(rows.first_token, forward.hidden);
  }

  const DecoderLayer& layer_;
  const WalkPlan& plan_;
  const LayerStep& step_;
  const WalkResources& resources_;
  const bool has_residual_;
  const bool surveys_attention_;
  const bool surveys_mlp_;
  base::Matrix<float> input_buffer_, output_buffer_;
  base::Matrix<float> block_buffer_, residual_buffer_;
};

}  // namespace

absl::Status EmbedSequences(const Model& model,
                            const text::TokenSequences& sequences,
                            const WalkPlan& plan, HiddenStates& hidden) {
  base::Matrix<float> buffer;
  for (const SequenceGroup& group : plan.groups) {
    const base::MatrixView<float> rows =
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

DecoderLayer LayerOf(const Model& model, const WalkPlan& plan,
                     const DecoderLayerWeights& weights,
                     const WalkOptions& options) {
  DecoderLayer layer = {&model.config(), &weights, &plan.rotary,
                        options.blocks};
  if (const checkpoint::MoeConfig* const moe = model.moe_config();
      moe != nullptr) {
    layer.attention_routing = AttentionRoutingOptions(*moe);
    layer.mlp_routing = MlpRoutingOptions(*moe);
  }
  return layer;
}

absl::Status StepForward(const Model& model, const WalkPlan& plan,
                         const WalkOptions& options, const LayerStep& step,
                         const WalkResources& resources) {
  const DecoderLayer layer = LayerOf(model, plan, *step.weights, options);
  if (step.tap != nullptr) {
    MOE_RETURN_IF_ERROR(step.tap->OnLayerStart(step.layer));
  }
  MOE_RETURN_IF_ERROR(ForwardStep(layer, plan, step, resources).Run());
  return step.tap == nullptr ? absl::OkStatus()
                             : step.tap->OnLayerEnd(step.layer);
}

}  // namespace moe::model
