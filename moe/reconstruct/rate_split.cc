#include "moe/reconstruct/rate_split.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/memory_budget.h"
#include "moe/base/options/options.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/tensor.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/model/layer/checkpoint_weights.h"
#include "moe/model/layer/layer_batch.h"
#include "moe/model/walk/dense_model.h"
#include "moe/model/walk/dense_walk.h"
#include "moe/model/walk/hidden_states.h"
#include "moe/model/walk/walk_options.h"
#include "moe/model/walk/walk_plan.h"
#include "moe/model/walk/walk_tap.h"
#include "moe/model/walk/weighted_sequences.h"
#include "moe/reconstruct/energy_router.h"
#include "moe/reconstruct/expert_counts.h"
#include "moe/reconstruct/rate_layer.h"
#include "moe/reconstruct/rate_split_options.pb.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::reconstruct {
namespace {

// The rows of the layer's gate_proj that belong to `neurons`, times `scale`:
// [neurons, H].
absl::StatusOr<base::Matrix<float>> GateRows(
    const checkpoint::Checkpoint& checkpoint, int64_t hidden_size,
    int64_t layer, absl::Span<const int64_t> neurons, double scale) {
  const checkpoint::TensorName name = {checkpoint::TensorKind::kMlpGate, layer,
                                       /*expert=*/-1,
                                       /*is_bias=*/false};
  base::Matrix<float> rows(static_cast<int64_t>(neurons.size()), hidden_size);
  for (size_t i = 0; i < neurons.size(); ++i) {
    MOE_ASSIGN_OR_RETURN(
        const checkpoint::HostTensor row,
        model::ReadWeightRows(checkpoint, name, neurons[i], neurons[i] + 1));
    const std::vector<float> values = model::ToFloats(row);
    float* const out = rows.view().RowData(static_cast<int64_t>(i));
    for (size_t h = 0; h < values.size(); ++h) {
      out[h] = static_cast<float>(scale * static_cast<double>(values[h]));
    }
  }
  return rows;
}

// Routers, and for each token its choice with the logits that it is made by.
int64_t RouterBytes(const checkpoint::LlamaConfig& config, int64_t num_tokens,
                    const ActivationRateSplitOptions& options) {
  return static_cast<int64_t>(sizeof(float)) *
         (config.num_hidden_layers * options.num_experts() *
              config.hidden_size +
          num_tokens * (options.num_experts() + options.top_k()));
}

// What is split, how, and with what.
struct RateSplitJob {
  const model::DenseModel& model;
  const ActivationRateSplitOptions& options;
  const model::WalkOptions& walk_options;
  const model::WalkResources& resources;
};

// Gathers what a layer's tokens activate, and splits it at its end.
class RateSplitTap : public model::WalkTap {
 public:
  RateSplitTap(const RateSplitJob& job, int64_t num_tokens,
               ActivationRateSplit& split)
      : job_(job),
        split_(split),
        activated_(num_tokens, job.options.activated_neurons()) {}

  // Reserves memory only here, after the walk has reserved its own.
  absl::Status OnLayerStart(int64_t) override {
    if (inputs_.has_value()) return absl::OkStatus();
    MOE_ASSIGN_OR_RETURN(
        inputs_, model::HiddenStates::Create(
                     activated_.rows(), job_.model.config().hidden_size,
                     job_.resources.budget, job_.walk_options.spill_directory));
    return absl::OkStatus();
  }

  absl::Status OnMlpInput(const model::TapContext& context,
                          base::MatrixView<const float> rows) override {
    return inputs_->StoreCopy(context.group.first_token, rows, buffer_);
  }

  absl::Status OnFeatures(const model::TapContext& context,
                          const model::BlockFeatures& features) override {
    if (features.block != model::DecoderBlock::kMlp) return absl::OkStatus();
    const int64_t first = context.group.first_token + features.first_row;
    return base::Annotate(
        ActivateNeurons(
            features.features,
            activated_.view().Rows(first, first + features.features.rows),
            magnitudes_, job_.resources.pool),
        absl::StrCat("layer ", context.layer));
  }

  absl::Status OnLayerEnd(int64_t layer) override {
    return base::Annotate(SplitLayer(layer), absl::StrCat("layer ", layer));
  }

 private:
  void SetDetail(int64_t layer, absl::string_view detail) const {
    job_.resources.progress.SetDetail(
        absl::StrCat("layer ", layer, ": ", detail));
  }

  absl::Status SplitLayer(int64_t layer) {
    const absl::Time start = absl::Now();
    SetDetail(layer, "experts");
    MOE_ASSIGN_OR_RETURN(
        ActivationRateLayer made,
        SplitLayerByActivationRate(
            activated_, job_.model.config().intermediate_size, job_.options,
            job_.options.expert_size(), job_.resources.pool));
    SetDetail(layer, "load");
    MOE_ASSIGN_OR_RETURN(
        base::Matrix<float> router,
        GateRows(job_.model.checkpoint(), job_.model.config().hidden_size,
                 layer, made.representatives, job_.options.router_scale()));
    base::Matrix<int32_t> chosen(activated_.rows(), job_.options.top_k());
    MOE_RETURN_IF_ERROR(ChooseExperts(*inputs_, router.view(),
                                      ExpertRanking::kProbabilities,
                                      chosen.view(), job_.resources.pool));
    Keep(std::move(made), chosen);
    split_.gate_weights.layers.push_back(std::move(router));
    split_.layers.back().elapsed_sec =
        absl::ToDoubleSeconds(absl::Now() - start);
    return absl::OkStatus();
  }

  void Keep(ActivationRateLayer made, const base::Matrix<int32_t>& chosen) {
    ActivationRateSplitLayer layer;
    layer.captured = ChosenActivations(made.counts, chosen);
    layer.oracle = MostActivations(made.counts, job_.options.top_k());
    layer.routed = made.routed;
    layer.shared = made.shared;
    layer.loads.resize(made.representatives.size());
    for (const int32_t e : chosen.values()) {
      ++layer.loads[static_cast<size_t>(e)];
    }
    layer.spread = std::move(made.spread);
    layer.representatives = std::move(made.representatives);
    split_.layers.push_back(std::move(layer));
    split_.neuron_indices.layers.push_back(std::move(made.indices));
  }

  const RateSplitJob& job_;
  ActivationRateSplit& split_;
  base::Matrix<int32_t> activated_;  // [T, K_a]
  std::optional<model::HiddenStates> inputs_;
  base::Matrix<float> buffer_, magnitudes_;
};

absl::Status CheckActivatedNeurons(int64_t activated,
                                   int64_t intermediate_size) {
  if (activated <= intermediate_size) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "activated_neurons: expected at most the intermediate size, ",
      intermediate_size, ", found ", activated, "; choose fewer"));
}

}  // namespace

absl::Status ValidateActivationRateSplitOptions(
    const ActivationRateSplitOptions& options) {
  MOE_RETURN_IF_ERROR(base::CheckOptions(options));
  return CheckCounts(ExpertCountsOf(options));
}

absl::StatusOr<ActivationRateSplit> SplitByActivationRate(
    model::DenseModel& model, const text::TokenSequences& sequences,
    const ActivationRateSplitOptions& given,
    const model::WalkOptions& walk_options,
    const model::WalkResources& resources) {
  MOE_RETURN_IF_ERROR(ValidateActivationRateSplitOptions(given));
  const int64_t num_neurons = model.config().intermediate_size;
  MOE_ASSIGN_OR_RETURN(const ActivationRateSplitOptions options,
                       WithSizes(given, num_neurons));
  MOE_RETURN_IF_ERROR(
      CheckActivatedNeurons(options.activated_neurons(), num_neurons));
  // Before sorting, so that messages have the caller's sequence numbers.
  MOE_RETURN_IF_ERROR(model::CheckSequences(model.config(), sequences));
  const int64_t num_tokens = sequences.num_tokens();
  MOE_RETURN_IF_ERROR(
      CheckEnoughTokensFor(ExpertCountsOf(options), num_tokens));
  MOE_ASSIGN_OR_RETURN(
      const base::MemoryBudget::Reservation memory,
      resources.budget.Reserve(
          ActivationRateLayerBytes({num_tokens, num_neurons}, options) +
              RouterBytes(model.config(), num_tokens, options),
          "the activation rate split of a layer"));
  ActivationRateSplit split;
  const RateSplitJob job = {model, options, walk_options, resources};
  RateSplitTap tap(job, num_tokens, split);
  MOE_RETURN_IF_ERROR(base::Annotate(
      model::WalkForward(model, model::InCanonicalOrder(sequences),
                         walk_options, &tap, resources)
          .status(),
      "sequences sorted by their tokens"));
  return split;
}

}  // namespace moe::reconstruct
