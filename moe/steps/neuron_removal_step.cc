// remove_neurons: a dense checkpoint that has only the neurons of the most
// energy.

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "moe/base/progress.h"
#include "moe/base/status_macros.h"
#include "moe/convert/conversion_plan.h"
#include "moe/convert/conversion_report.h"
#include "moe/convert/narrow_mlp.h"
#include "moe/model/walk/dense_model.h"
#include "moe/model/walk/walk_options.h"
#include "moe/reconstruct/neuron_removal.h"
#include "moe/reconstruct/neuron_removal_options.pb.h"
#include "moe/reconstruct/removal_report.h"
#include "moe/steps/all_steps.h"
#include "moe/steps/artifact_output.h"
#include "moe/steps/checkpoint_and_report.h"
#include "moe/steps/cost_model.h"
#include "moe/steps/output_options.pb.h"
#include "moe/steps/step_kind.h"
#include "moe/steps/walk_session.h"

namespace moe::steps {
namespace {

// All that can be wrong before the dataset is read and the model walked.
absl::Status CheckRemoval(const StepRequest& request) {
  const auto& options = request.OptionsAs<NeuronRemovalOptions>();
  MOE_RETURN_IF_ERROR(CheckReportOutput(request));
  MOE_ASSIGN_OR_RETURN(const model::DenseModel dense,
                       model::DenseModel::Open(request.Path(kModelPathFlag)));
  MOE_RETURN_IF_ERROR(reconstruct::CheckNeuronRemoval(options, dense.config()));
  MOE_ASSIGN_OR_RETURN(
      const convert::ConversionOutput checkpoint,
      ConversionOutputOf(request.OutputAs<ReportedCheckpointOutput>()));
  return convert::CheckNarrowOutput(dense.checkpoint(), options.num_neurons(),
                                    checkpoint);
}

absl::StatusOr<StepOutcome> Remove(const StepRequest& request,
                                   base::Progress& progress) {
  const auto& options = request.OptionsAs<NeuronRemovalOptions>();
  MOE_RETURN_IF_ERROR(CheckRemoval(request));
  MOE_ASSIGN_OR_RETURN(const std::unique_ptr<WalkSession> session,
                       WalkSession::Open(request, progress));
  const model::WalkResources resources = session->resources();
  MOE_ASSIGN_OR_RETURN(
      const reconstruct::NeuronRemoval removal,
      reconstruct::ChooseNeurons(session->model(), session->sequences(),
                                 options, SingleWalk(), resources));
  MOE_ASSIGN_OR_RETURN(
      const ReportedCheckpoint made,
      WriteCheckpointAndReport(
          request,
          [&](const convert::ConversionOutput& output) {
            return convert::WriteNarrowCheckpoint(
                session->model().checkpoint(), removal.kept, output,
                {resources.pool, resources.progress});
          },
          reconstruct::NeuronRemovalToJson(
              options, session->model().config().intermediate_size, removal),
          session->dataset()));
  return StepOutcome{
      made.report,
      absl::StrCat(request.OutputAs<ReportedCheckpointOutput>().save_path(),
                   ": dense checkpoint, ", options.num_neurons(), " of ",
                   session->model().config().intermediate_size, " neurons\n",
                   convert::FormatWritten(made.written),
                   FormatDataset(session->dataset()),
                   reconstruct::FormatNeuronRemoval(removal))};
}

// A walk and the writing. Most of the memory is the energies of all tokens.
void CostNeuronRemoval(const CostedStep& step, CostModel& model) {
  const std::string& dataset = step.reads.at(kDatasetFlag);
  const auto neurons = static_cast<double>(model.config().intermediate_size);
  const auto num_neurons =
      static_cast<double>(step.OptionsAs<NeuronRemovalOptions>().num_neurons());
  model.Walk(dataset, ActiveShare());
  model.step().memory_bytes +=
      static_cast<int64_t>(model.num_tokens(dataset) * neurons * sizeof(float));
  model.Convert();
  model.share(step.name).mlp = num_neurons / neurons;
}

}  // namespace

StepKind NeuronRemovalKind() {
  StepKind kind;
  kind.name = "remove_neurons";
  kind.summary =
      "makes a dense checkpoint with fewer neurons, for comparison with "
      "experts";
  kind.notes =
      "Every MLP keeps the neurons of the most energy, those that split_energy "
      "would share: the weights of a token's neurons without a router. Rows of "
      "gate_proj and up_proj and columns of down_proj are copied bit for bit, "
      "and so is all else. The checkpoint is a plain one of the same kind with "
      "another intermediate_size, and loads without our code; "
      "reconstruct_converted_model refits it to the dense one. --report_out "
      "has the share of its energy that each layer keeps. The checkpoint "
      "appears at --save_path whole or not at all.";
  kind.field = "remove_neurons";
  kind.inputs = {DenseModelInput(), DatasetInput()};
  kind.made = OutputKind::kNarrowCheckpoint;
  kind.options = std::make_shared<NeuronRemovalOptions>();
  kind.output = std::make_shared<ReportedCheckpointOutput>();
  kind.run = Remove;
  kind.cost = CostNeuronRemoval;
  return kind;
}

}  // namespace moe::steps
