// split_activation_rate: router weights and the neurons of experts, by how
// often neurons activate.

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/message.h"
#include "moe/base/progress.h"
#include "moe/base/status_macros.h"
#include "moe/reconstruct/expert_counts.h"
#include "moe/reconstruct/rate_report.h"
#include "moe/reconstruct/rate_split.h"
#include "moe/reconstruct/rate_split_options.pb.h"
#include "moe/steps/all_steps.h"
#include "moe/steps/artifact_output.h"
#include "moe/steps/cost_model.h"
#include "moe/steps/output_options.pb.h"
#include "moe/steps/router_and_neurons.h"
#include "moe/steps/step_kind.h"
#include "moe/steps/walk_session.h"

namespace moe::steps {
namespace {

absl::StatusOr<StepOutcome> RunRateSplit(const StepRequest& request,
                                         base::Progress& progress) {
  const auto& options = request.OptionsAs<ActivationRateSplitOptions>();
  MOE_RETURN_IF_ERROR(CheckRouterAndNeuronsOutput(request));
  MOE_ASSIGN_OR_RETURN(const std::unique_ptr<WalkSession> session,
                       WalkSession::Open(request, progress));
  MOE_ASSIGN_OR_RETURN(const reconstruct::ActivationRateSplit split,
                       reconstruct::SplitByActivationRate(
                           session->model(), session->sequences(), options,
                           SingleWalk(), session->resources()));
  return WriteRouterAndNeurons(
      request, {split.gate_weights, split.neuron_indices},
      {WithDataset(reconstruct::ActivationRateSplitReportToJson(options, split),
                   session->dataset()),
       absl::StrCat(FormatDataset(session->dataset()),
                    reconstruct::FormatActivationRateSplitReport(split))});
}

absl::Status ValidateRateSplit(const google::protobuf::Message& options) {
  return reconstruct::ValidateActivationRateSplitOptions(
      static_cast<const ActivationRateSplitOptions&>(options));
}

// A walk; for every layer the logits; and for every iteration the products of
// activation vectors and centroids.
void CostRateSplit(const CostedStep& step, CostModel& model) {
  const auto& options = step.OptionsAs<ActivationRateSplitOptions>();
  const std::string& dataset = step.reads.at(kDatasetFlag);
  const auto hidden = static_cast<double>(model.config().hidden_size);
  const auto num_experts = static_cast<double>(options.num_experts());
  const auto activated = static_cast<double>(options.activated_neurons());
  model.Walk(dataset, ActiveShare());
  model.step().flops +=
      model.num_tokens(dataset) *
      static_cast<double>(model.config().num_hidden_layers) * num_experts *
      (2.0 * hidden + static_cast<double>(options.iterations()) * activated);
  model.step().memory_bytes +=
      static_cast<int64_t>(model.num_tokens(dataset) *
                           ((hidden + num_experts) * sizeof(float) +
                            activated * (sizeof(int32_t) + sizeof(int64_t))));
  AddRouterAndNeurons(step, reconstruct::ExpertCountsOf(options), model);
}

}  // namespace

StepKind ActivationRateSplitKind() {
  StepKind kind;
  kind.name = "split_activation_rate";
  kind.summary =
      "the same by how often neurons activate, as CMoE does, for comparison";
  kind.notes =
      "A token activates the neurons whose activations are the largest in "
      "magnitude. For every layer, those that the most tokens activate go to a "
      "residual expert. The others are clustered by the tokens that activate "
      "them into experts of one size, and an expert's row of the router is the "
      "row of gate_proj of the neuron nearest to its centroid: the linear part "
      "of the score that CMoE (arXiv 2502.04416) computes. Makes gate_weights "
      "and neuron_indices for convert_mixtral_residual, or for convert_mixtral "
      "without shared neurons; use them with --scale_factor=TOP_K.";
  kind.field = "activation_rate_split";
  kind.inputs = {DenseModelInput(), DatasetInput()};
  kind.made = OutputKind::kRouterAndNeurons;
  kind.options = std::make_shared<ActivationRateSplitOptions>();
  kind.output = std::make_shared<ArtifactOutput>();
  kind.validate = ValidateRateSplit;
  kind.run = RunRateSplit;
  kind.cost = CostRateSplit;
  return kind;
}

}  // namespace moe::steps
