#include "moe/model/walk/dense_walk_back.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "moe/base/float_environment.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/memory_budget.h"
#include "moe/base/status_macros.h"
#include "moe/model/layer/attention.h"
#include "moe/model/layer/decoder_layer.h"
#include "moe/model/layer/decoder_layer_weights.h"
#include "moe/model/layer/linear.h"
#include "moe/model/walk/dense_model.h"
#include "moe/model/walk/hidden_states.h"
#include "moe/model/walk/layer_pass.h"
#include "moe/model/walk/layer_weight_stream.h"
#include "moe/model/walk/output_head.h"
#include "moe/model/walk/sequence_groups.h"
#include "moe/model/walk/token_losses.h"
#include "moe/model/walk/walk_options.h"
#include "moe/model/walk/walk_plan.h"
#include "moe/model/walk/weighted_sequences.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::model {
namespace {

constexpr LayerPasses kPasses = LayerPasses::kBackward;

class BackwardWalk {
 public:
  BackwardWalk(DenseModel& model, const WeightedSequences& all,
               const WalkOptions& options, const GradientTap& tap,
               const WalkResources& resources, WalkPlan plan)
      : model_(model),
        all_(all),
        sequences_(all.sequences),
        options_(options),
        tap_(tap),
        resources_(resources),
        plan_(std::move(plan)),
        num_layers_(model.config().num_hidden_layers) {}

  absl::StatusOr<std::vector<float>> Run() {
    MOE_RETURN_IF_ERROR(CreateStates());
    MOE_RETURN_IF_ERROR(KeepWeightsIfTheyFit(model_, kPasses, options_,
                                             resources_.budget, plan_));
    CreateSavedAttention();
    MOE_RETURN_IF_ERROR(Down());
    MOE_ASSIGN_OR_RETURN(std::vector<float> losses, LossAndItsGradient());
    MOE_RETURN_IF_ERROR(Up());
    return losses;
  }

 private:
  // inputs_[i] is the input of layer i. The last element is the result of the
  // forward walk, and then the gradient on its way back.
  absl::Status CreateStates() {
    for (int64_t i = 0; i <= num_layers_; ++i) {
      MOE_ASSIGN_OR_RETURN(
          HiddenStates states,
          HiddenStates::Create(sequences_.num_tokens(),
                               model_.config().hidden_size, resources_.budget,
                               options_.spill_directory));
      inputs_.push_back(std::move(states));
    }
    return absl::OkStatus();
  }

  // Reserves room for results of the forward, as far as there is memory, so
  // that they are not computed again. Starts with the layers that come first on
  // the way back.
  void CreateSavedAttention() {
    saved_attention_.resize(static_cast<size_t>(num_layers_));
    const AttentionShape shape = LayerAttentionShape(model_.config());
    for (auto layer = saved_attention_.rbegin();
         layer != saved_attention_.rend(); ++layer) {
      layer->resize(plan_.groups.size());
      for (size_t g = 0; g < plan_.groups.size(); ++g) {
        const int64_t num_tokens = plan_.groups[g].num_tokens();
        std::optional<base::MemoryBudget::Reservation> reservation =
            resources_.budget.TryReserve(
                SavedAttention::SizeBytes(shape, num_tokens));
        if (!reservation.has_value()) continue;
        saved_attention_bytes_.push_back(std::move(*reservation));
        (*layer)[g].emplace(shape, num_tokens);
      }
    }
  }

  HiddenStates& Input(int64_t layer) {
    return inputs_[static_cast<size_t>(layer)];
  }
  HiddenStates& Gradient() { return inputs_.back(); }

  absl::Status Down() {
    resources_.progress.Start("forward", num_layers_ * sequences_.num_tokens(),
                              "tokens x layers");
    MOE_RETURN_IF_ERROR(EmbedSequences(model_, sequences_, plan_, Input(0)));
    LayerWeightStream stream(model_, LayerPasses::kForward,
                             LayerOrder::kFirstToLast, plan_.weights,
                             resources_.pool);
    for (int64_t layer = 0; layer < num_layers_; ++layer) {
      MOE_ASSIGN_OR_RETURN(const DecoderLayerWeights* const weights,
                           stream.Next());
      MOE_RETURN_IF_ERROR(StepForward(
          model_, plan_, options_,
          {layer, weights, &Input(layer), &Input(layer + 1), nullptr,
           absl::MakeSpan(saved_attention_[static_cast<size_t>(layer)])},
          resources_));
    }
    return absl::OkStatus();
  }

  // Replaces the last hidden states by the gradient with respect to them. The
  // head uses the memory in which layers work.
  absl::StatusOr<std::vector<float>> LossAndItsGradient() {
    const int64_t work_bytes = plan_.work.num_bytes();
    plan_.work = base::MemoryBudget::Reservation();
    std::vector<float> losses(static_cast<size_t>(sequences_.num_tokens()));
    {
      MOE_ASSIGN_OR_RETURN(
          OutputHead head,
          OutputHead::Create(model_, LayerPasses::kForwardAndBackward,
                             resources_.budget, resources_.pool));
      MOE_RETURN_IF_ERROR(FillGradient(head, absl::MakeSpan(losses)));
    }
    gradient_buffer_ = base::Matrix<float>();
    MOE_ASSIGN_OR_RETURN(plan_.work,
                         resources_.budget.Reserve(work_bytes, "activations"));
    MOE_RETURN_IF_ERROR(CheckLosses(sequences_, losses));
    return losses;
  }

  absl::Status FillGradient(OutputHead& head, absl::Span<float> losses) {
    const std::vector<int32_t> targets = PredictedLabels(sequences_);
    const std::vector<float> scales = LossScales();
    resources_.progress.Start("loss", sequences_.num_tokens(), "tokens");
    for (int64_t begin = 0; begin < sequences_.num_tokens();
         begin += head.tokens_at_once()) {
      const int64_t end =
          std::min(begin + head.tokens_at_once(), sequences_.num_tokens());
      const auto at = static_cast<size_t>(begin);
      const auto count = static_cast<size_t>(end - begin);
      head.SetPlace(sequences_.offsets(), begin);
      MOE_ASSIGN_OR_RETURN(const base::MatrixView<float> rows,
                           Gradient().Load(begin, end, gradient_buffer_));
      MOE_RETURN_IF_ERROR(head.LossesAndGradient(
          rows, absl::MakeConstSpan(targets).subspan(at, count),
          absl::MakeConstSpan(scales).subspan(at, count),
          losses.subspan(at, count), rows));
      MOE_RETURN_IF_ERROR(Gradient().Store(begin, rows));
      resources_.progress.Advance(end - begin);
    }
    return absl::OkStatus();
  }

  // The weight of each token's sequence.
  std::vector<float> LossScales() const {
    std::vector<float> scales;
    scales.reserve(static_cast<size_t>(sequences_.num_tokens()));
    for (size_t s = 0; s < all_.weights.size(); ++s) {
      scales.resize(static_cast<size_t>(sequences_.offsets()[s + 1]),
                    all_.weights[s]);
    }
    return scales;
  }

  absl::Status Up() {
    resources_.progress.Start("backward", num_layers_ * sequences_.num_tokens(),
                              "tokens x layers");
    LayerWeightStream stream(model_, kPasses, LayerOrder::kLastToFirst,
                             plan_.weights, resources_.pool);
    for (int64_t layer = num_layers_ - 1; layer >= 0; --layer) {
      MOE_ASSIGN_OR_RETURN(const DecoderLayerWeights* const weights,
                           stream.Next());
      for (size_t g = 0; g < plan_.groups.size(); ++g) {
        MOE_RETURN_IF_ERROR(base::Annotate(LayerUp(layer, *weights, g),
                                           absl::StrCat("layer ", layer)));
      }
    }
    MOE_RETURN_IF_ERROR(base::CheckFloatEnvironment("the walk back"));
    resources_.progress.Finish();
    return absl::OkStatus();
  }

  absl::Status LayerUp(int64_t layer, const DecoderLayerWeights& weights,
                       size_t group_index) {
    const SequenceGroup& group = plan_.groups[group_index];
    std::optional<SavedAttention>& saved =
        saved_attention_[static_cast<size_t>(layer)][group_index];
    const int64_t begin = group.first_token, end = group.end_token();
    MOE_ASSIGN_OR_RETURN(const base::MatrixView<float> x,
                         Input(layer).Load(begin, end, input_buffer_));
    MOE_ASSIGN_OR_RETURN(const base::MatrixView<float> gradient,
                         Gradient().Load(begin, end, gradient_buffer_));
    LayerGradients gradients;
    gradients.dy = gradient;
    gradients.dx = gradient;
    if (saved.has_value()) gradients.saved_attention = &*saved;
    if (tap_) {
      gradients.tap = [&](const MlpRows& rows,
                          base::MatrixView<const float> d_activation) {
        return tap_({layer, begin + rows.first_row, rows.input, rows.activation,
                     d_activation});
      };
    }
    MOE_RETURN_IF_ERROR(DecoderLayerBackward(
        LayerOf(model_, plan_, weights, options_),
        {group.offsets, x, group.first_sequence}, gradients, resources_.pool));
    saved.reset();
    MOE_RETURN_IF_ERROR(Gradient().Store(begin, gradient));
    resources_.progress.Advance(group.num_tokens());
    return absl::OkStatus();
  }

  DenseModel& model_;
  const WeightedSequences& all_;
  const text::TokenSequences& sequences_;
  const WalkOptions& options_;
  const GradientTap& tap_;
  const WalkResources& resources_;
  WalkPlan plan_;
  const int64_t num_layers_;
  std::vector<HiddenStates> inputs_;
  // [layer][group]
  std::vector<std::vector<std::optional<SavedAttention>>> saved_attention_;
  std::vector<base::MemoryBudget::Reservation> saved_attention_bytes_;
  base::Matrix<float> input_buffer_, gradient_buffer_;
};

}  // namespace

absl::StatusOr<std::vector<float>> WalkBack(DenseModel& model,
                                            const WeightedSequences& all,
                                            const WalkOptions& options,
                                            const GradientTap& tap,
                                            const WalkResources& resources) {
  MOE_ASSIGN_OR_RETURN(WalkPlan plan, PlanWalk(model, all.sequences, kPasses,
                                               options, resources));
  return BackwardWalk(model, all, options, tap, resources, std::move(plan))
      .Run();
}

}  // namespace moe::model
