// The loss of a model on a dataset, and the load of its experts.
//
// The mean cross entropy over all labels that a token predicts, and what it
// makes of perplexity. With EXACT numerics every number but the times is a
// function of the checkpoint's and the tokens' bytes alone.

#ifndef MOE_EVALUATE_EVALUATE_LOSS_H_
#define MOE_EVALUATE_EVALUATE_LOSS_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "moe/base/json.h"
#include "moe/base/matrix_view.h"
#include "moe/evaluate/evaluate_options.pb.h"
#include "moe/evaluate/reference_divergence.h"
#include "moe/model/layer/expert_routing.h"
#include "moe/model/layer/layer_batch.h"
#include "moe/model/walk/model.h"
#include "moe/model/walk/walk_options.h"
#include "moe/model/walk/walk_tap.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::evaluate {

// The load of one layer: for each expert, how many tokens chose it. Empty where
// the block has no experts. Their sum is top_k times the number of tokens.
struct ExpertLoad {
  int64_t layer = 0;
  std::vector<int64_t> mlp;
  std::vector<int64_t> attention;
};

class ExpertLoadTap : public model::WalkTap {
 public:
  absl::Status OnRouting(
      const model::TapContext& context, model::DecoderBlock block,
      const std::vector<model::ExpertTokens>& experts) override;

  // One for each layer with experts, ascending.
  const std::vector<ExpertLoad>& loads() const { return loads_; }

 private:
  std::vector<ExpertLoad> loads_;
};

// [{"layer": 0, "mlp": [12, 20], "attention": [16, 16]}, ...], without what a
// layer does not have.
base::Json ExpertLoadToJson(const std::vector<ExpertLoad>& loads);

// A line for each layer's MLP and attention with experts, or nothing:
//   expert load, tokens
//     layer  0 MLP        12 20  (largest 1.25 of the mean)
std::string FormatExpertLoad(const std::vector<ExpertLoad>& loads);

// InvalidArgument, with the field, for what contradicts itself or is out of
// range.
absl::Status ValidateEvaluateOptions(const EvaluateOptions& options);

// Takes logits [num_rows, V] of consecutive tokens, sequence after sequence.
using LogitsSink =
    std::function<absl::Status(base::MatrixView<const float> rows)>;

// What an evaluation does beside the loss.
struct EvaluationExtras {
  // Empty where no logits are asked for.
  LogitsSink sink = nullptr;
  // The model that the predictions are compared with; null for none.
  model::Model* reference = nullptr;
};

struct LossEvaluation {
  // The mean over all predicted labels.
  double mean_loss = 0.0;
  // exp(float(mean_loss)), correctly rounded; infinity where that overflows.
  float perplexity = 0.0f;
  int64_t num_sequences = 0;
  int64_t num_tokens = 0;
  int64_t num_predicted_tokens = 0;
  // [num_tokens], as TokenLosses gives them.
  std::vector<float> losses;
  // SHA-256, in hexadecimal, of the bytes of `losses`, little-endian.
  std::string losses_digest;
  // One for each layer with experts, ascending.
  std::vector<ExpertLoad> expert_loads;
  // Set where there is a reference.
  std::optional<ReferenceDivergence> divergence;
};

// With a reference, a second walk and a second set of hidden states.
//
// The errors of ValidateEvaluateOptions, WalkForward and TokenLosses, or of
// AtenForward, of DivergenceFromReference, and of the sink; InvalidArgument if
// nothing is predicted, or for a reference with ATEN numerics.
absl::StatusOr<LossEvaluation> EvaluateLoss(
    model::Model& model, const text::TokenSequences& sequences,
    const EvaluateOptions& options, const model::WalkOptions& walk_options,
    const EvaluationExtras& extras, const model::WalkResources& resources);

}  // namespace moe::evaluate

#endif  // MOE_EVALUATE_EVALUATE_LOSS_H_
