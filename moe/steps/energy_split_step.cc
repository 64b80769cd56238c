// split_energy: router weights and the neurons of experts, by the energy that
// they capture.

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/message.h"
#include "moe/base/progress.h"
#include "moe/base/status_macros.h"
#include "moe/reconstruct/energy_report.h"
#include "moe/reconstruct/energy_split.h"
#include "moe/reconstruct/energy_split_options.pb.h"
#include "moe/reconstruct/expert_counts.h"
#include "moe/steps/all_steps.h"
#include "moe/steps/artifact_output.h"
#include "moe/steps/cost_model.h"
#include "moe/steps/output_options.pb.h"
#include "moe/steps/router_and_neurons.h"
#include "moe/steps/step_kind.h"
#include "moe/steps/walk_session.h"

namespace moe::steps {
namespace {

absl::StatusOr<StepOutcome> RunEnergySplit(const StepRequest& request,
                                           base::Progress& progress) {
  const auto& options = request.OptionsAs<EnergySplitOptions>();
  MOE_RETURN_IF_ERROR(CheckRouterAndNeuronsOutput(request));
  MOE_ASSIGN_OR_RETURN(const std::unique_ptr<WalkSession> session,
                       WalkSession::Open(request, progress));
  MOE_ASSIGN_OR_RETURN(
      const reconstruct::EnergySplit split,
      reconstruct::SplitByEnergy(session->model(), session->sequences(),
                                 options, SingleWalk(), session->resources()));
  return WriteRouterAndNeurons(
      request, {split.gate_weights, split.neuron_indices},
      {WithDataset(reconstruct::EnergySplitReportToJson(options, split),
                   session->dataset()),
       absl::StrCat(FormatDataset(session->dataset()),
                    reconstruct::FormatEnergySplitReport(split))});
}

absl::Status ValidateEnergySplit(const google::protobuf::Message& options) {
  return reconstruct::ValidateEnergySplitOptions(
      static_cast<const EnergySplitOptions&>(options));
}

// A walk; for every layer the sums of x x^T; and for every iteration the
// affinities, the experts' energies, the right sides and the logits.
void CostEnergySplit(const CostedStep& step, CostModel& model) {
  const auto& options = step.OptionsAs<EnergySplitOptions>();
  const std::string& dataset = step.reads.at(kDatasetFlag);
  const auto hidden = static_cast<double>(model.config().hidden_size);
  const auto neurons = static_cast<double>(model.config().intermediate_size);
  const auto num_experts = static_cast<double>(options.num_experts());
  model.Walk(dataset, ActiveShare());
  model.step().flops +=
      model.num_tokens(dataset) *
      static_cast<double>(model.config().num_hidden_layers) *
      (hidden * hidden +
       static_cast<double>(options.iterations()) *
           (4.0 * num_experts * hidden +
            static_cast<double>(options.top_k() + 1) * neurons));
  model.step().memory_bytes += static_cast<int64_t>(
      model.num_tokens(dataset) * (hidden + neurons) * sizeof(float));
  AddRouterAndNeurons(step, reconstruct::ExpertCountsOf(options), model);
}

}  // namespace

StepKind EnergySplitKind() {
  StepKind kind;
  kind.name = "split_energy";
  kind.summary =
      "makes router weights and shares neurons out by the energy they capture";
  kind.notes =
      "For every layer, the neurons of the most energy (the squared size of "
      "what they add to the hidden state, relative to it) go to a residual "
      "expert. The others form experts of one size, and a router is fitted to "
      "the experts' energies, in turns, so that the chosen experts capture as "
      "much energy as they can. Makes gate_weights and neuron_indices for "
      "convert_mixtral_residual, or for convert_mixtral without shared "
      "neurons; use them with --scale_factor=TOP_K.";
  kind.field = "energy_split";
  kind.inputs = {DenseModelInput(), DatasetInput()};
  kind.made = OutputKind::kRouterAndNeurons;
  kind.options = std::make_shared<EnergySplitOptions>();
  kind.output = std::make_shared<ArtifactOutput>();
  kind.validate = ValidateEnergySplit;
  kind.run = RunEnergySplit;
  kind.cost = CostEnergySplit;
  return kind;
}

}  // namespace moe::steps
