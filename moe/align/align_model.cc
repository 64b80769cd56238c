#include "moe/align/align_model.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "moe/align/align_options.pb.h"
#include "moe/align/alignment_inputs.h"
#include "moe/align/block_alignment.h"
#include "moe/align/hidden_distribution.h"
#include "moe/base/json.h"
#include "moe/base/matrix_view.h"
#include "moe/base/memory_budget.h"
#include "moe/base/options/options.h"
#include "moe/base/options/options_json.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/artifact/distribution.h"
#include "moe/checkpoint/artifact/layer_parts.h"
#include "moe/checkpoint/artifact/scale_factors.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/kernels/rows/parallel_rows.h"
#include "moe/kernels/sums/moments.h"
#include "moe/model/layer/checkpoint_weights.h"
#include "moe/model/layer/layer_batch.h"
#include "moe/model/walk/dense_walk.h"
#include "moe/model/walk/model.h"
#include "moe/model/walk/walk_options.h"
#include "moe/model/walk/walk_plan.h"
#include "moe/model/walk/walk_tap.h"
#include "moe/model/walk/weighted_sequences.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::align {
namespace {

// y = y * scale + shift, feature by feature.
void ApplyAffine(const std::vector<float>& scale,
                 const std::vector<float>& shift, base::MatrixView<float> y,
                 base::ThreadPool& pool) {
  kernels::ParallelRows(y.rows, y.cols, pool, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      float* const row = y.RowData(t);
      for (int64_t i = 0; i < y.cols; ++i) {
        const auto at = static_cast<size_t>(i);
        row[i] = row[i] * scale[at] + shift[at];
      }
    }
  });
}

// What the alignment of a block needs to know of its kind.
struct BlockKind {
  model::DecoderBlock block = model::DecoderBlock::kMlp;
  checkpoint::TensorKind output = checkpoint::TensorKind::kExpertDown;
  double scale_factor = 1.0;
  bool has_biases = false;
  bool has_residual = false;
};

BlockKind KindOf(const checkpoint::MoeConfig& config,
                 model::DecoderBlock block) {
  if (block == model::DecoderBlock::kAttention) {
    return {block, checkpoint::TensorKind::kOutput, config.scale_factor_attn,
            config.decoder.attention_bias || config.add_rescale_bias,
            /*has_residual=*/false};
  }
  return {block, checkpoint::TensorKind::kExpertDown, config.scale_factor,
          config.decoder.mlp_bias || config.add_rescale_bias,
          config.intermediate_size_residual.has_value()};
}

// What the experts' biases add to the block's output. `dtype` is the type of
// the output matrices of all experts of the block.
absl::StatusOr<std::vector<float>> AddedBias(const std::vector<float>& bias,
                                             const BlockKind& kind,
                                             const AlignOptions& options,
                                             checkpoint::Dtype dtype) {
  std::vector<float> added(bias.size());
  if (options.alignment_parts() == AlignOptions::MAGNITUDE) return added;
  for (size_t i = 0; i < bias.size(); ++i) {
    double share =
        ExpertBias(bias[i], kind.scale_factor, options.alignment_mode());
    if (!kind.has_biases) {
      MOE_ASSIGN_OR_RETURN(share, RoundToWeight(dtype, share));
    }
    added[i] = static_cast<float>(kind.scale_factor * share);
  }
  return added;
}

// A block of the current layer, from its survey to its result.
struct BlockState {
  BlockState(const BlockKind& kind_of_block, int64_t hidden_size)
      : kind(kind_of_block),
        survey(hidden_size, kind_of_block.has_residual),
        after(hidden_size) {}

  const BlockKind kind;
  BlockSurvey survey;
  std::vector<float> scale;
  std::vector<float> shift;
  kernels::Moments after;
  AlignedBlock result;
};

class AlignmentTap : public model::WalkTap {
 public:
  AlignmentTap(const model::Model& model, const AlignmentInputs& inputs,
               base::ThreadPool& pool, Alignment& alignment)
      : model_(model),
        config_(*model.moe_config()),
        inputs_(inputs),
        pool_(pool),
        alignment_(alignment) {}

  bool Surveys(int64_t layer, model::DecoderBlock block) const override {
    const checkpoint::LayerParts<bool> parts =
        BlocksWithExperts(config_, layer);
    return block == model::DecoderBlock::kAttention ? *parts.attn : *parts.mlp;
  }
  absl::Status OnLayerStart(int64_t layer) override {
    for (const model::DecoderBlock block :
         {model::DecoderBlock::kAttention, model::DecoderBlock::kMlp}) {
      StateOf(block).reset();
      if (!Surveys(layer, block)) continue;
      StateOf(block).emplace(KindOf(config_, block),
                             config_.decoder.hidden_size);
    }
    return absl::OkStatus();
  }
  absl::Status OnSurvey(const model::TapContext& context,
                        model::DecoderBlock block,
                        const model::BlockOutput& output) override {
    return StateOf(block)->survey.Add(context.group.first_token, output, pool_);
  }
  absl::Status OnSurveyEnd(int64_t layer, model::DecoderBlock block) override {
    const bool is_attention = block == model::DecoderBlock::kAttention;
    const std::string part = is_attention ? "attn" : "mlp";
    const checkpoint::LayerParts<checkpoint::FeatureMoments>& reference =
        inputs_.reference.layers[static_cast<size_t>(layer)];
    absl::StatusOr<checkpoint::ScaleFactor> factor =
        Align(layer, is_attention ? *reference.attn : *reference.mlp,
              *StateOf(block));
    MOE_RETURN_IF_ERROR(base::Annotate(
        factor.status(), absl::StrCat("layer ", layer, ", ", part)));
    StateOf(block)->result.part = part;
    checkpoint::LayerParts<checkpoint::ScaleFactor>& factors =
        alignment_.factors.layers[layer];
    (is_attention ? factors.attn : factors.mlp) = *std::move(factor);
    return absl::OkStatus();
  }
  absl::Status OnBlockParts(const model::TapContext&, model::DecoderBlock block,
                            const model::BlockOutput& output) override {
    const std::optional<BlockState>& state = StateOf(block);
    if (state.has_value()) {
      ApplyAffine(state->scale, state->shift, output.output, pool_);
    }
    return absl::OkStatus();
  }
  absl::Status OnAttentionOutput(const model::TapContext& context,
                                 base::MatrixView<float> output) override {
    return AddAfter(context, model::DecoderBlock::kAttention, output);
  }
  absl::Status OnMlpOutput(const model::TapContext& context,
                           base::MatrixView<float> output) override {
    return AddAfter(context, model::DecoderBlock::kMlp, output);
  }
  absl::Status OnLayerEnd(int64_t layer) override {
    const checkpoint::LayerParts<checkpoint::FeatureMoments>& reference =
        inputs_.reference.layers[static_cast<size_t>(layer)];
    MOE_RETURN_IF_ERROR(FinishBlock(attention_, reference.attn));
    return FinishBlock(mlp_, reference.mlp);
  }

 private:
  std::optional<BlockState>& StateOf(model::DecoderBlock block) {
    return block == model::DecoderBlock::kAttention ? attention_ : mlp_;
  }

  absl::StatusOr<checkpoint::ScaleFactor> Align(
      int64_t layer, const checkpoint::FeatureMoments& reference,
      BlockState& state) {
    MOE_ASSIGN_OR_RETURN(const BlockMoments moments, state.survey.Finish());
    MOE_ASSIGN_OR_RETURN(BlockAffine affine,
                         AlignBlock(moments, reference, inputs_.options));
    const checkpoint::Dtype dtype =
        model::LocateWeight(model_.checkpoint(),
                            {state.kind.output, layer,
                             /*expert=*/0, /*is_bias=*/false})
            .tensor->spec.dtype;
    MOE_ASSIGN_OR_RETURN(state.shift, AddedBias(affine.bias, state.kind,
                                                inputs_.options, dtype));
    state.scale = affine.scale;
    state.result = {layer,
                    /*part=*/"",
                    affine.num_dead,
                    affine.num_without_root,
                    MeanSymmetricKl(moments.whole(), reference),
                    /*divergence_after=*/std::nullopt};
    return checkpoint::ScaleFactor{std::move(affine.scale),
                                   std::move(affine.bias)};
  }

  absl::Status AddAfter(const model::TapContext& context,
                        model::DecoderBlock block,
                        base::MatrixView<const float> output) {
    std::optional<BlockState>& state = StateOf(block);
    if (!state.has_value()) return absl::OkStatus();
    return state->after.Add(context.group.first_token, output, pool_);
  }

  absl::Status FinishBlock(
      std::optional<BlockState>& state,
      const std::optional<checkpoint::FeatureMoments>& reference) {
    if (!state.has_value()) return absl::OkStatus();
    MOE_RETURN_IF_ERROR(state->after.Finish());
    state->result.divergence_after =
        MeanSymmetricKl(FeatureMomentsOf(state->after), *reference);
    alignment_.blocks.push_back(std::move(state->result));
    state.reset();
    return absl::OkStatus();
  }

  const model::Model& model_;
  const checkpoint::MoeConfig& config_;
  const AlignmentInputs& inputs_;
  base::ThreadPool& pool_;
  Alignment& alignment_;
  // The blocks of the current layer; empty if a block has no experts.
  std::optional<BlockState> attention_, mlp_;
};

int64_t MemoryBytes(int64_t hidden_size) {
  const int64_t per_block =
      BlockSurvey::SizeBytes(hidden_size) +
      hidden_size *
          (kMomentsBytesPerFeature + 4 * static_cast<int64_t>(sizeof(float)));
  return 2 * per_block;
}

const char* ModeName(const AlignOptions& options) {
  return options.alignment_mode() == AlignOptions::PUBLISHED ? "published"
                                                             : "exact";
}

const char* PartsName(const AlignOptions& options) {
  return options.alignment_parts() == AlignOptions::MAGNITUDE ? "magnitude"
                                                              : "full";
}

struct FactorSummary {
  float least_scale = 0.0f;
  float largest_scale = 0.0f;
  float largest_abs_bias = 0.0f;
};

FactorSummary SummaryOf(const Alignment& alignment, const AlignedBlock& block) {
  const checkpoint::LayerParts<checkpoint::ScaleFactor>& layer =
      alignment.factors.layers.at(block.layer);
  const checkpoint::ScaleFactor& factor =
      block.part == "attn" ? *layer.attn : *layer.mlp;
  const std::vector<float>& scale = factor.scale_magnitude;
  const auto [least, largest] = std::minmax_element(scale.begin(), scale.end());
  FactorSummary summary = {*least, *largest, 0.0f};
  for (const float bias : factor.scale_bias) {
    summary.largest_abs_bias =
        std::max(summary.largest_abs_bias, std::fabs(bias));
  }
  return summary;
}

base::Json NumberOrNull(const std::optional<double>& value) {
  return value.has_value() ? base::Json(*value) : base::Json(nullptr);
}

std::string NumberOrNone(const std::optional<double>& value) {
  return value.has_value() ? absl::StrFormat("%.4g", *value) : "none";
}

}  // namespace

absl::StatusOr<Alignment> AlignModel(model::Model& model,
                                     const AlignmentInputs& inputs,
                                     const model::WalkOptions& walk_options,
                                     const model::WalkResources& resources) {
  MOE_RETURN_IF_ERROR(base::CheckOptions(inputs.options));
  MOE_RETURN_IF_ERROR(CheckAlignable(model.checkpoint(), inputs.options));
  MOE_RETURN_IF_ERROR(CheckReference(*model.moe_config(), inputs.reference,
                                     inputs.reference_path));
  // Before sorting, so that messages have the caller's sequence numbers.
  MOE_RETURN_IF_ERROR(model::CheckSequences(model.config(), inputs.sequences));
  MOE_ASSIGN_OR_RETURN(
      const base::MemoryBudget::Reservation memory,
      resources.budget.Reserve(MemoryBytes(model.config().hidden_size),
                               "alignment"));
  Alignment alignment;
  alignment.num_tokens = inputs.sequences.num_tokens();
  AlignmentTap tap(model, inputs, resources.pool, alignment);
  MOE_RETURN_IF_ERROR(base::Annotate(
      model::WalkForward(model, model::InCanonicalOrder(inputs.sequences),
                         walk_options, &tap, resources)
          .status(),
      "sequences sorted by their tokens"));
  return alignment;
}

base::Json AlignmentReportToJson(const Alignment& alignment,
                                 const AlignOptions& options) {
  base::Json json = base::OptionsToJson(options, {"realign"});
  json["blocks"] = base::Json::array();
  for (const AlignedBlock& block : alignment.blocks) {
    const FactorSummary summary = SummaryOf(alignment, block);
    json["blocks"].push_back(
        {{"layer", block.layer},
         {"part", block.part},
         {"divergence_before", NumberOrNull(block.divergence_before)},
         {"divergence_after", NumberOrNull(block.divergence_after)},
         {"num_dead_features", block.num_dead},
         {"num_features_without_root", block.num_without_root},
         {"least_scale", summary.least_scale},
         {"largest_scale", summary.largest_scale},
         {"largest_abs_bias", summary.largest_abs_bias}});
  }
  return json;
}

std::string FormatAlignmentReport(const Alignment& alignment,
                                  const AlignOptions& options) {
  std::string text = absl::StrFormat("  %-34s %s, %s\n", "alignment",
                                     ModeName(options), PartsName(options));
  absl::StrAppendFormat(&text, "  %5s  %4s  %17s  %16s  %4s  %7s  %17s  %14s\n",
                        "layer", "part", "divergence before", "after", "dead",
                        "no root", "scale", "largest |bias|");
  for (const AlignedBlock& block : alignment.blocks) {
    const FactorSummary summary = SummaryOf(alignment, block);
    absl::StrAppendFormat(
        &text, "  %5d  %4s  %17s  %16s  %4d  %7d  %17s  %14.4g\n", block.layer,
        block.part, NumberOrNone(block.divergence_before),
        NumberOrNone(block.divergence_after), block.num_dead,
        block.num_without_root,
        absl::StrFormat("%.3g..%.3g", summary.least_scale,
                        summary.largest_scale),
        summary.largest_abs_bias);
  }
  return text;
}

}  // namespace moe::align
