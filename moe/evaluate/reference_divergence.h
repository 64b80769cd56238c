// How far a model's predictions are from those of a reference, mostly the dense
// model that it was made from: what quantized models are judged by.

#ifndef MOE_EVALUATE_REFERENCE_DIVERGENCE_H_
#define MOE_EVALUATE_REFERENCE_DIVERGENCE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "moe/base/json.h"
#include "moe/model/walk/hidden_states.h"
#include "moe/model/walk/model.h"
#include "moe/model/walk/walk_options.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::evaluate {

// Over the tokens that predict something. A quantile is the smallest of the
// divergences that so many of them do not exceed.
struct ReferenceDivergence {
  // KL(reference || model) in nats, as moe/kernels/rows/kl_divergence.h has it.
  double mean = 0.0;
  float median = 0.0f;
  float quantile_90 = 0.0f;
  float quantile_99 = 0.0f;
  float largest = 0.0f;
  // The tokens for which both models' most probable next token is the same
  // (among equal logits the lowest id), and all.
  int64_t num_agreements = 0;
  int64_t num_predicted_tokens = 0;

  double agreement() const {
    return static_cast<double>(num_agreements) /
           static_cast<double>(num_predicted_tokens);
  }
};

// InvalidArgument, with both sizes, unless the vocabularies have one size.
absl::Status CheckReferenceModel(const model::Model& reference,
                                 const model::Model& model);

// A model, and what WalkForward gave for its hidden states.
struct WalkedModel {
  model::Model& model;
  model::HiddenStates& hidden;
};

// The bits are a function of both models and of the sequences. Cost: both
// output heads, and three exponentials a logit. Memory: two OutputHeads.
// The errors of CheckReferenceModel, OutputHead and MeanOfLosses.
absl::StatusOr<ReferenceDivergence> DivergenceFromReference(
    const WalkedModel& reference, const WalkedModel& model,
    const text::TokenSequences& sequences,
    const model::WalkResources& resources);

base::Json ReferenceDivergenceToJson(const ReferenceDivergence& divergence);

}  // namespace moe::evaluate

#endif  // MOE_EVALUATE_REFERENCE_DIVERGENCE_H_
