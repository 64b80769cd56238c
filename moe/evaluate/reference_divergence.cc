#include "moe/evaluate/reference_divergence.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "moe/base/float_environment.h"
#include "moe/base/ignored_label.h"
#include "moe/base/json.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/memory_budget.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/rows/kl_divergence.h"
#include "moe/kernels/rows/parallel_rows.h"
#include "moe/model/layer/linear.h"
#include "moe/model/walk/hidden_states.h"
#include "moe/model/walk/model.h"
#include "moe/model/walk/output_head.h"
#include "moe/model/walk/token_losses.h"
#include "moe/model/walk/walk_options.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::evaluate {
namespace {

int64_t FirstChoice(absl::Span<const float> logits) {
  return std::max_element(logits.begin(), logits.end()) - logits.begin();
}

// Both models' logits, a few tokens at a time.
class LogitsComparison {
 public:
  LogitsComparison(const text::TokenSequences& sequences,
                   const model::WalkResources& resources)
      : sequences_(sequences),
        pool_(resources.pool),
        targets_(model::PredictedLabels(sequences)),
        divergences_(targets_.size()),
        agrees_(targets_.size()) {}

  // Tokens [begin, end).
  absl::Status Compare(int64_t begin,
                       base::MatrixView<const float> reference_hidden,
                       base::MatrixView<const float> hidden,
                       model::OutputHead& reference_head,
                       model::OutputHead& head) {
    reference_head.SetPlace(sequences_.offsets(), begin);
    return reference_head.Logits(
        reference_hidden,
        [&](int64_t first_row,
            base::MatrixView<float> reference) -> absl::Status {
          const int64_t first = begin + first_row;
          head.SetPlace(sequences_.offsets(), first);
          return head.Logits(
              hidden.Rows(first_row, first_row + reference.rows),
              [&](int64_t row, base::MatrixView<float> logits) {
                CompareRows(first + row, reference.Rows(row, row + logits.rows),
                            logits);
                return absl::OkStatus();
              });
        });
  }

  absl::StatusOr<ReferenceDivergence> Finish() const {
    MOE_ASSIGN_OR_RETURN(const model::MeanLoss mean,
                         model::MeanOfLosses(divergences_, targets_, pool_));
    ReferenceDivergence result;
    result.mean = mean.mean;
    result.num_predicted_tokens = mean.num_predicted_tokens;
    std::vector<float> sorted;
    for (size_t t = 0; t < targets_.size(); ++t) {
      if (targets_[t] == base::kIgnoredLabel) continue;
      sorted.push_back(divergences_[t]);
      result.num_agreements += agrees_[t];
    }
    std::sort(sorted.begin(), sorted.end());
    result.median = Quantile(sorted, 50);
    result.quantile_90 = Quantile(sorted, 90);
    result.quantile_99 = Quantile(sorted, 99);
    result.largest = sorted.back();
    return result;
  }

 private:
  void CompareRows(int64_t first, base::MatrixView<const float> reference,
                   base::MatrixView<const float> logits) {
    const auto at = static_cast<size_t>(first);
    const auto count = static_cast<size_t>(logits.rows);
    kernels::KlDivergence(reference, logits,
                          absl::MakeSpan(divergences_).subspan(at, count),
                          pool_);
    // What predicts nothing counts for nothing.
    for (size_t t = at; t < at + count; ++t) {
      if (targets_[t] == base::kIgnoredLabel) divergences_[t] = 0.0f;
    }
    kernels::ParallelRows(
        logits.rows, logits.cols, pool_, [&](int64_t begin, int64_t end) {
          for (int64_t t = begin; t < end; ++t) {
            agrees_[at + static_cast<size_t>(t)] =
                FirstChoice(reference.Row(t)) == FirstChoice(logits.Row(t));
          }
        });
  }

  // There is at least one value.
  static float Quantile(const std::vector<float>& sorted, size_t percent) {
    return sorted[(sorted.size() * percent + 99) / 100 - 1];
  }

  const text::TokenSequences& sequences_;
  base::ThreadPool& pool_;
  const std::vector<int32_t> targets_;
  std::vector<float> divergences_;
  std::vector<uint8_t> agrees_;  // Bytes, which threads can write side by side.
};

}  // namespace

absl::Status CheckReferenceModel(const model::Model& reference,
                                 const model::Model& model) {
  if (reference.config().vocab_size == model.config().vocab_size) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      reference.checkpoint().directory(), "/config.json: vocab_size: expected ",
      model.config().vocab_size, " as in ", model.checkpoint().directory(),
      ", found ", reference.config().vocab_size,
      "; give the model that the other one was made from as reference"));
}

absl::StatusOr<ReferenceDivergence> DivergenceFromReference(
    const WalkedModel& reference, const WalkedModel& model,
    const text::TokenSequences& sequences,
    const model::WalkResources& resources) {
  MOE_RETURN_IF_ERROR(CheckReferenceModel(reference.model, model.model));
  // A head may take all that it finds: half for each.
  base::MemoryBudget& budget = resources.budget;
  const int64_t least =
      std::max(model::OutputHead::LeastBytes(reference.model.config(),
                                             model::LayerPasses::kForward),
               model::OutputHead::LeastBytes(model.model.config(),
                                             model::LayerPasses::kForward));
  MOE_RETURN_IF_ERROR(
      budget.Reserve(2 * least, "the logits of two models").status());
  const int64_t half = (budget.limit_bytes() - budget.reserved_bytes()) / 2;
  MOE_ASSIGN_OR_RETURN(const base::MemoryBudget::Reservation reservation,
                       budget.Reserve(half, "the reference's logits"));
  base::MemoryBudget reference_budget(half);
  MOE_ASSIGN_OR_RETURN(
      model::OutputHead reference_head,
      model::OutputHead::Create(reference.model, model::LayerPasses::kForward,
                                reference_budget, resources.pool));
  MOE_ASSIGN_OR_RETURN(
      model::OutputHead head,
      model::OutputHead::Create(model.model, model::LayerPasses::kForward,
                                budget, resources.pool));
  const int64_t at_once =
      std::min(reference_head.tokens_at_once(), head.tokens_at_once());
  const int64_t num_tokens = sequences.num_tokens();
  LogitsComparison comparison(sequences, resources);
  resources.progress.Start("divergence", num_tokens, "tokens");
  base::Matrix<float> reference_buffer, buffer;
  for (int64_t begin = 0; begin < num_tokens; begin += at_once) {
    const int64_t end = std::min(begin + at_once, num_tokens);
    MOE_ASSIGN_OR_RETURN(const base::MatrixView<float> reference_rows,
                         reference.hidden.Load(begin, end, reference_buffer));
    MOE_ASSIGN_OR_RETURN(const base::MatrixView<float> rows,
                         model.hidden.Load(begin, end, buffer));
    MOE_RETURN_IF_ERROR(
        comparison.Compare(begin, reference_rows, rows, reference_head, head));
    resources.progress.Advance(end - begin);
  }
  MOE_RETURN_IF_ERROR(base::CheckFloatEnvironment("the divergence"));
  resources.progress.Finish();
  return comparison.Finish();
}

base::Json ReferenceDivergenceToJson(const ReferenceDivergence& divergence) {
  base::Json json = base::Json::object();
  json["kl_divergence"] = divergence.mean;
  json["kl_divergence_50"] = divergence.median;
  json["kl_divergence_90"] = divergence.quantile_90;
  json["kl_divergence_99"] = divergence.quantile_99;
  json["kl_divergence_max"] = divergence.largest;
  json["first_choice_agreement"] = divergence.agreement();
  return json;
}

}  // namespace moe::evaluate
