// reconstruct_converted_model: refits a converted model to the dense one, in
// closed form.

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/message.h"
#include "moe/base/progress.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/convert/conversion_plan.h"
#include "moe/model/walk/model.h"
#include "moe/model/walk/walk_options.h"
#include "moe/reconstruct/made_from.h"
#include "moe/reconstruct/reconstruct_model.h"
#include "moe/reconstruct/reconstruct_options.h"
#include "moe/reconstruct/reconstruct_options.pb.h"
#include "moe/reconstruct/reconstructed_checkpoint.h"
#include "moe/reconstruct/reconstruction_report.h"
#include "moe/steps/all_steps.h"
#include "moe/steps/artifact_output.h"
#include "moe/steps/checkpoint_and_report.h"
#include "moe/steps/cost_model.h"
#include "moe/steps/output_options.pb.h"
#include "moe/steps/step_kind.h"
#include "moe/steps/walk_session.h"

namespace moe::steps {
namespace {

constexpr char kDenseFlag[] = "dense_model_path";

// All that can be wrong before the dataset is read and the models walked.
absl::Status CheckReconstruction(const StepRequest& request) {
  MOE_RETURN_IF_ERROR(CheckReportOutput(request));
  MOE_ASSIGN_OR_RETURN(
      const checkpoint::Checkpoint from,
      checkpoint::Checkpoint::Open(request.Path(kModelPathFlag)));
  MOE_ASSIGN_OR_RETURN(const checkpoint::Checkpoint dense,
                       checkpoint::Checkpoint::Open(request.Path(kDenseFlag)));
  MOE_RETURN_IF_ERROR(reconstruct::CheckMadeFrom(from, dense));
  MOE_ASSIGN_OR_RETURN(
      const convert::ConversionOutput checkpoint,
      ConversionOutputOf(request.OutputAs<ReportedCheckpointOutput>()));
  return reconstruct::CheckReconstructedOutput(from, checkpoint);
}

absl::StatusOr<StepOutcome> Reconstruct(const StepRequest& request,
                                        base::Progress& progress) {
  const auto& options = request.OptionsAs<ReconstructOptions>();
  MOE_RETURN_IF_ERROR(CheckReconstruction(request));
  MOE_ASSIGN_OR_RETURN(const std::unique_ptr<AnyWalkSession> session,
                       AnyWalkSession::Open(request, progress));
  MOE_ASSIGN_OR_RETURN(model::Model dense,
                       model::Model::Open(request.Path(kDenseFlag)));
  MOE_ASSIGN_OR_RETURN(
      const reconstruct::Reconstruction made,
      reconstruct::ReconstructModel(
          {dense, session->model(), session->sequences(), options},
          SingleWalk(), session->resources()));
  const model::WalkResources resources = session->resources();
  MOE_ASSIGN_OR_RETURN(const ReportedCheckpoint written,
                       WriteCheckpointAndReport(
                           request,
                           [&](const convert::ConversionOutput& output) {
                             return reconstruct::WriteReconstructedCheckpoint(
                                 session->model().checkpoint(), made.weights,
                                 output, {resources.pool, resources.progress});
                           },
                           reconstruct::ReconstructionToJson(made, options),
                           session->dataset()));
  return StepOutcome{
      written.report,
      absl::StrCat(
          FormatLine("reconstructed checkpoint",
                     request.OutputAs<ReportedCheckpointOutput>().save_path()),
          FormatDataset(session->dataset()),
          reconstruct::FormatReconstruction(made))};
}

// A walk of the dense model, two of the converted one, and the writing. The
// sums over products of features take as much as two walks at most; energies
// take the gate and up products of all neurons. Most of the memory is the sums
// over products, in double.
void CostReconstruction(const CostedStep& step, CostModel& model) {
  const std::string& dataset = step.reads.at(kDatasetFlag);
  const ActiveShare share = model.share(step.reads.at(kModelPathFlag));
  model.share(step.name) = share;
  model.Walk(dataset, ActiveShare());
  model.Walk(dataset, share);
  model.Walk(dataset, share);
  const auto size = static_cast<double>(model.config().intermediate_size);
  const auto hidden = static_cast<double>(model.config().hidden_size);
  model.step().flops += model.num_tokens(dataset) *
                        static_cast<double>(model.config().num_hidden_layers) *
                        (size * size + 2 * size * hidden + 4 * size * hidden);
  model.step().memory_bytes +=
      static_cast<int64_t>(size * (size + hidden) * sizeof(double));
  model.Convert();
}

}  // namespace

StepKind ReconstructionKind() {
  StepKind kind;
  kind.name = "reconstruct_converted_model";
  kind.summary =
      "refits a converted model to the dense one, so that it works without "
      "training";
  kind.notes =
      "Walks both models once, side by side. The last matrix of every expert, "
      "and o_proj of the attention, get the weights for which the converted "
      "model's hidden states are nearest to the dense model's, by ridge "
      "regression in double over all tokens. Works on every checkpoint that "
      "was converted from the dense one, and on a dense one with neurons "
      "removed. Names, shapes and types stay. The report gives the relative "
      "error of every block before and after, and for MLPs with experts the "
      "share of the routed experts' energy that the router captures beside "
      "what the best choice of as many experts would, before the refit. The "
      "checkpoint appears at --save_path whole or not at all.";
  kind.field = "reconstruct";
  kind.inputs = {{.flag = kModelPathFlag,
                  .source = StepInputKind::kMade,
                  .field = "checkpoint",
                  .made = OutputKind::kCheckpoint,
                  .what = "directory of a converted checkpoint"},
                 {.flag = kDenseFlag,
                  .source = StepInputKind::kDenseModel,
                  .what = "directory of the dense checkpoint that it was "
                          "converted from"},
                 DatasetInput()};
  kind.made = OutputKind::kReconstructedCheckpoint;
  kind.options = std::make_shared<ReconstructOptions>();
  kind.output = std::make_shared<ReportedCheckpointOutput>();
  kind.validate = [](const google::protobuf::Message& options) {
    return reconstruct::ValidateReconstructOptions(
        static_cast<const ReconstructOptions&>(options));
  };
  kind.run = Reconstruct;
  kind.cost = CostReconstruction;
  return kind;
}

}  // namespace moe::steps
