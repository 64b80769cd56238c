// The loss of every token, from the hidden states at the end of a walk.

#ifndef MOE_MODEL_WALK_TOKEN_LOSSES_H_
#define MOE_MODEL_WALK_TOKEN_LOSSES_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "moe/base/thread_pool.h"
#include "moe/model/walk/hidden_states.h"
#include "moe/model/walk/model.h"
#include "moe/model/walk/walk_options.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::model {

// The label that each token predicts: that of the next token of its sequence,
// and kIgnoredLabel at the end. [num_tokens]
std::vector<int32_t> PredictedLabels(const text::TokenSequences& sequences);

// losses[t] is the cross entropy of token t's logits and the label that it
// predicts; +0 for kIgnoredLabel. `hidden` is the result of WalkForward. The
// errors of OutputHead and HiddenStates; InvalidArgument, with sequence and
// position, for a loss that is NaN or infinite.
absl::StatusOr<std::vector<float>> TokenLosses(
    Model& model, const text::TokenSequences& sequences, HiddenStates& hidden,
    const WalkResources& resources);

// InvalidArgument for the first loss that is NaN or infinite.
absl::Status CheckLosses(const text::TokenSequences& sequences,
                         absl::Span<const float> losses);

struct MeanLoss {
  double mean = 0.0;
  int64_t num_predicted_tokens = 0;
};

// The mean over the tokens that predict a label: their sum in order-free fixed
// point (moe/kernels/sums/feature_sums.h) divided by their number. `losses` and
// `targets` must have the same size. InvalidArgument if there is no such token.
absl::StatusOr<MeanLoss> MeanOfLosses(absl::Span<const float> losses,
                                      absl::Span<const int32_t> targets,
                                      base::ThreadPool& pool);

}  // namespace moe::model

#endif  // MOE_MODEL_WALK_TOKEN_LOSSES_H_
