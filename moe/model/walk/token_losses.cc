#include "moe/model/walk/token_losses.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/float_environment.h"
#include "moe/base/ignored_label.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/sums/feature_sums.h"
#include "moe/model/layer/linear.h"
#include "moe/model/walk/hidden_states.h"
#include "moe/model/walk/model.h"
#include "moe/model/walk/output_head.h"
#include "moe/model/walk/sequence_groups.h"
#include "moe/model/walk/walk_options.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::model {

std::vector<int32_t> PredictedLabels(const text::TokenSequences& sequences) {
  std::vector<int32_t> targets;
  targets.reserve(static_cast<size_t>(sequences.num_tokens()));
  for (int64_t s = 0; s < sequences.num_sequences(); ++s) {
    const absl::Span<const int32_t> labels = sequences.labels(s);
    targets.insert(targets.end(), labels.begin() + 1, labels.end());
    targets.push_back(base::kIgnoredLabel);
  }
  return targets;
}

absl::Status CheckLosses(const text::TokenSequences& sequences,
                         absl::Span<const float> losses) {
  const auto bad = std::find_if(losses.begin(), losses.end(),
                                [](float x) { return !std::isfinite(x); });
  if (bad == losses.end()) return absl::OkStatus();
  const absl::Span<const int64_t> offsets = sequences.offsets();
  const int64_t token = bad - losses.begin();
  const int64_t sequence =
      std::upper_bound(offsets.begin(), offsets.end(), token) -
      offsets.begin() - 1;
  return absl::InvalidArgumentError(absl::StrCat(
      "loss of sequence ", sequence, ", position ",
      token - offsets[static_cast<size_t>(sequence)],
      ": NaN or infinity; the weights drive float32 out of its range"));
}

absl::StatusOr<std::vector<float>> TokenLosses(
    Model& model, const text::TokenSequences& sequences, HiddenStates& hidden,
    const WalkResources& resources) {
  MOE_CHECK(hidden.num_tokens() == sequences.num_tokens());
  MOE_ASSIGN_OR_RETURN(OutputHead head,
                       OutputHead::Create(model, LayerPasses::kForward,
                                          resources.budget, resources.pool));
  const std::vector<int32_t> targets = PredictedLabels(sequences);
  std::vector<float> losses(targets.size());
  resources.progress.Start("loss", sequences.num_tokens(), "tokens");
  base::Matrix<float> buffer;
  for (int64_t begin = 0; begin < hidden.num_tokens();
       begin += head.tokens_at_once()) {
    const int64_t end =
        std::min(begin + head.tokens_at_once(), hidden.num_tokens());
    head.SetPlace(sequences.offsets(), begin);
    MOE_ASSIGN_OR_RETURN(const base::MatrixView<float> rows,
                         hidden.Load(begin, end, buffer));
    const auto first = static_cast<size_t>(begin);
    const auto count = static_cast<size_t>(end - begin);
    MOE_RETURN_IF_ERROR(
        head.Losses(rows, absl::MakeConstSpan(targets).subspan(first, count),
                    absl::MakeSpan(losses).subspan(first, count)));
    resources.progress.Advance(end - begin);
  }
  MOE_RETURN_IF_ERROR(CheckLosses(sequences, losses));
  MOE_RETURN_IF_ERROR(base::CheckFloatEnvironment("the loss"));
  resources.progress.Finish();
  return losses;
}

absl::StatusOr<MeanLoss> MeanOfLosses(absl::Span<const float> losses,
                                      absl::Span<const int32_t> targets,
                                      base::ThreadPool& pool) {
  MOE_CHECK(losses.size() == targets.size());
  MeanLoss result;
  result.num_predicted_tokens = std::count_if(
      targets.begin(), targets.end(),
      [](int32_t target) { return target != base::kIgnoredLabel; });
  if (result.num_predicted_tokens == 0) {
    return absl::InvalidArgumentError(
        "labels: expected at least one token that predicts a label, found "
        "none; "
        "use sequences of two tokens or more whose labels are not all ignored");
  }
  kernels::FeatureSums sums({.num_features = 1});
  MOE_RETURN_IF_ERROR(
      sums.Add(/*first_token=*/0,
               base::MatrixView<const float>(
                   losses.data(), static_cast<int64_t>(losses.size()), 1),
               pool));
  MOE_RETURN_IF_ERROR(sums.Finish());
  result.mean =
      sums.Sums()[0] / static_cast<double>(result.num_predicted_tokens);
  return result;
}

}  // namespace moe::model
