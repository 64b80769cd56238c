#include "moe/evaluate/evaluate_loss.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "moe/base/json.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/options/options.h"
#include "moe/base/sha256.h"
#include "moe/base/status_macros.h"
#include "moe/evaluate/evaluate_options.pb.h"
#include "moe/evaluate/reference_divergence.h"
#include "moe/kernels/math/float_math.h"
#include "moe/model/aten/aten_forward.h"
#include "moe/model/aten/aten_options.h"
#include "moe/model/layer/expert_routing.h"
#include "moe/model/layer/layer_batch.h"
#include "moe/model/layer/linear.h"
#include "moe/model/walk/dense_walk.h"
#include "moe/model/walk/hidden_states.h"
#include "moe/model/walk/model.h"
#include "moe/model/walk/output_head.h"
#include "moe/model/walk/token_losses.h"
#include "moe/model/walk/walk_options.h"
#include "moe/model/walk/walk_plan.h"
#include "moe/model/walk/walk_tap.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::evaluate {
namespace {

void AppendLine(int64_t layer, absl::string_view block,
                const std::vector<int64_t>& load, std::string& text) {
  if (load.empty()) return;
  const auto sum = std::accumulate(load.begin(), load.end(), int64_t{0});
  const double mean =
      static_cast<double>(sum) / static_cast<double>(load.size());
  const auto largest =
      static_cast<double>(*std::max_element(load.begin(), load.end()));
  absl::StrAppendFormat(&text,
                        "    layer %2d %-9s  %s  (largest %.2f of the mean)\n",
                        layer, block, absl::StrJoin(load, " "), largest / mean);
}

}  // namespace

absl::Status ExpertLoadTap::OnRouting(
    const model::TapContext& context, model::DecoderBlock block,
    const std::vector<model::ExpertTokens>& experts) {
  if (loads_.empty() || loads_.back().layer != context.layer) {
    loads_.push_back({context.layer, {}, {}});
  }
  std::vector<int64_t>& load = block == model::DecoderBlock::kMlp
                                   ? loads_.back().mlp
                                   : loads_.back().attention;
  load.resize(experts.size());
  for (size_t e = 0; e < experts.size(); ++e) {
    load[e] += static_cast<int64_t>(experts[e].rows.size());
  }
  return absl::OkStatus();
}

base::Json ExpertLoadToJson(const std::vector<ExpertLoad>& loads) {
  base::Json json = base::Json::array();
  for (const ExpertLoad& load : loads) {
    base::Json layer = base::Json::object();
    layer["layer"] = load.layer;
    if (!load.mlp.empty()) layer["mlp"] = load.mlp;
    if (!load.attention.empty()) layer["attention"] = load.attention;
    json.push_back(layer);
  }
  return json;
}

std::string FormatExpertLoad(const std::vector<ExpertLoad>& loads) {
  std::string text;
  for (const ExpertLoad& load : loads) {
    AppendLine(load.layer, "attention", load.attention, text);
    AppendLine(load.layer, "MLP", load.mlp, text);
  }
  return text.empty() ? text : "  expert load, tokens\n" + text;
}

namespace {

absl::Status SinkLogits(model::Model& model,
                        const text::TokenSequences& sequences,
                        int64_t num_sequences, const LogitsSink& sink,
                        model::HiddenStates& hidden,
                        const model::WalkResources& resources) {
  if (num_sequences == 0) return absl::OkStatus();
  MOE_ASSIGN_OR_RETURN(
      model::OutputHead head,
      model::OutputHead::Create(model, model::LayerPasses::kForward,
                                resources.budget, resources.pool));
  const int64_t num_tokens =
      sequences.offsets()[static_cast<size_t>(num_sequences)];
  base::Matrix<float> buffer;
  for (int64_t begin = 0; begin < num_tokens; begin += head.tokens_at_once()) {
    const int64_t end = std::min(begin + head.tokens_at_once(), num_tokens);
    head.SetPlace(sequences.offsets(), begin);
    MOE_ASSIGN_OR_RETURN(const base::MatrixView<float> rows,
                         hidden.Load(begin, end, buffer));
    MOE_RETURN_IF_ERROR(head.Logits(
        rows,
        [&](int64_t, base::MatrixView<float> logits) { return sink(logits); }));
  }
  return absl::OkStatus();
}

absl::Status EvaluateExactly(model::Model& model,
                             const text::TokenSequences& sequences,
                             int64_t num_logits_sequences,
                             const model::WalkOptions& walk_options,
                             const EvaluationExtras& extras,
                             const model::WalkResources& resources,
                             LossEvaluation& evaluation) {
  ExpertLoadTap load;
  MOE_ASSIGN_OR_RETURN(
      model::HiddenStates hidden,
      model::WalkForward(model, sequences, walk_options, &load, resources));
  MOE_RETURN_IF_ERROR(SinkLogits(model, sequences, num_logits_sequences,
                                 extras.sink, hidden, resources));
  MOE_ASSIGN_OR_RETURN(evaluation.losses,
                       model::TokenLosses(model, sequences, hidden, resources));
  evaluation.expert_loads = load.loads();
  if (extras.reference == nullptr) return absl::OkStatus();
  MOE_ASSIGN_OR_RETURN(
      model::HiddenStates reference_hidden,
      model::WalkForward(*extras.reference, sequences, walk_options,
                         /*tap=*/nullptr, resources));
  MOE_ASSIGN_OR_RETURN(
      evaluation.divergence,
      DivergenceFromReference({*extras.reference, reference_hidden},
                              {model, hidden}, sequences, resources));
  return absl::OkStatus();
}

absl::StatusOr<std::vector<float>> AtenLosses(
    const model::Model& model, const text::TokenSequences& sequences,
    const EvaluateOptions& options, int64_t num_logits_sequences,
    const model::WalkOptions& walk_options, const LogitsSink& sink,
    const model::WalkResources& resources) {
  model::AtenOptions aten;
  aten.device = options.device() == EvaluateOptions::CUDA
                    ? model::AtenDevice::kCuda
                    : model::AtenDevice::kCpu;
  aten.products = options.bfloat16_products() ? model::AtenProducts::kBFloat16
                                              : model::AtenProducts::kFloat32;
  aten.num_threads = resources.pool.num_threads();
  aten.tokens_at_once = walk_options.tokens_at_once;
  aten.memory_budget = &resources.budget;
  model::AtenLogitsTap tap;
  tap.num_sequences = num_logits_sequences;
  tap.take = [&sink](const model::AtenLogits& logits) {
    return sink(logits.rows);
  };
  return model::AtenForward(model.checkpoint(), sequences, aten, tap,
                            resources.progress);
}

}  // namespace

absl::Status ValidateEvaluateOptions(const EvaluateOptions& options) {
  const bool is_exact = options.numerics() == EvaluateOptions::EXACT;
  if (is_exact && options.device() != EvaluateOptions::CPU) {
    return absl::InvalidArgumentError(
        "device: expected cpu, as numerics is exact, found cuda; set numerics "
        "to aten");
  }
  if (is_exact && options.bfloat16_products()) {
    return absl::InvalidArgumentError(
        "bfloat16_products: expected false, as numerics is exact, found true; "
        "set numerics to aten");
  }
  return base::CheckOptions(options);
}

namespace {

// What can be wrong, before hours of work.
absl::Status CheckEvaluation(const model::Model& model,
                             const text::TokenSequences& sequences,
                             const EvaluateOptions& options,
                             const EvaluationExtras& extras) {
  MOE_RETURN_IF_ERROR(ValidateEvaluateOptions(options));
  if (options.numerics() == EvaluateOptions::ATEN &&
      model.moe_config() != nullptr) {
    return absl::UnimplementedError(
        absl::StrCat(model.checkpoint().directory(),
                     ": expected a dense model, as numerics is aten, found a "
                     "Mixture of Experts; set numerics to exact"));
  }
  if (extras.reference != nullptr) {
    if (options.numerics() == EvaluateOptions::ATEN) {
      return absl::InvalidArgumentError(
          "numerics: expected exact, as there is a reference model, found "
          "aten; leave one of them out");
    }
    MOE_RETURN_IF_ERROR(CheckReferenceModel(*extras.reference, model));
  }
  return model::CheckSequences(model.config(), sequences);
}

}  // namespace

absl::StatusOr<LossEvaluation> EvaluateLoss(
    model::Model& model, const text::TokenSequences& sequences,
    const EvaluateOptions& options, const model::WalkOptions& walk_options,
    const EvaluationExtras& extras, const model::WalkResources& resources) {
  MOE_RETURN_IF_ERROR(CheckEvaluation(model, sequences, options, extras));
  const std::vector<int32_t> targets = model::PredictedLabels(sequences);
  // Whether there is a loss at all.
  MOE_RETURN_IF_ERROR(model::MeanOfLosses(std::vector<float>(targets.size()),
                                          targets, resources.pool)
                          .status());
  const int64_t num_logits_sequences =
      extras.sink
          ? std::min(options.num_logits_sequences(), sequences.num_sequences())
          : 0;
  LossEvaluation evaluation;
  if (options.numerics() == EvaluateOptions::ATEN) {
    MOE_ASSIGN_OR_RETURN(
        evaluation.losses,
        AtenLosses(model, sequences, options, num_logits_sequences,
                   walk_options, extras.sink, resources));
  } else {
    MOE_RETURN_IF_ERROR(EvaluateExactly(model, sequences, num_logits_sequences,
                                        walk_options, extras, resources,
                                        evaluation));
  }
  MOE_ASSIGN_OR_RETURN(
      const model::MeanLoss mean,
      model::MeanOfLosses(evaluation.losses, targets, resources.pool));
  evaluation.mean_loss = mean.mean;
  evaluation.perplexity = kernels::Exp(static_cast<float>(mean.mean));
  evaluation.num_sequences = sequences.num_sequences();
  evaluation.num_tokens = sequences.num_tokens();
  evaluation.num_predicted_tokens = mean.num_predicted_tokens;
  evaluation.losses_digest = base::HexSha256Of(
      absl::string_view(reinterpret_cast<const char*>(evaluation.losses.data()),
                        evaluation.losses.size() * sizeof(float)));
  return evaluation;
}

}  // namespace moe::evaluate
