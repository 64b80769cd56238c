// align_converted_model: blocks with experts get the dense model's mean and
// variance.

#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/align/align_model.h"
#include "moe/align/align_options.pb.h"
#include "moe/align/aligned_checkpoint.h"
#include "moe/align/alignment_inputs.h"
#include "moe/base/file_system.h"
#include "moe/base/json.h"
#include "moe/base/mutation_gate.h"
#include "moe/base/progress.h"
#include "moe/base/sha256.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/artifact/artifact_io.h"
#include "moe/checkpoint/artifact/distribution.h"
#include "moe/checkpoint/artifact/scale_factors.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/convert/conversion_plan.h"
#include "moe/convert/conversion_report.h"
#include "moe/convert/piece_stream.h"
#include "moe/steps/all_steps.h"
#include "moe/steps/artifact_output.h"
#include "moe/steps/cost_model.h"
#include "moe/steps/output_options.pb.h"
#include "moe/steps/step_kind.h"
#include "moe/steps/walk_session.h"

namespace moe::steps {
namespace {

constexpr char kReferenceDistributionFlag[] = "reference_distribution_file";

// Beside the checkpoint, in which every file is the model's.
ArtifactOutput FactorsOutput(const AlignedOutput& output) {
  ArtifactOutput factors;
  factors.set_format(output.format());
  factors.set_overwrite(output.overwrite());
  factors.set_save_path(output.scale_factors_path());
  if (output.has_scale_factors_path()) return factors;
  absl::string_view path = output.save_path();
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  factors.set_save_path(absl::StrCat(path, ".alignment"));
  return factors;
}

convert::ConversionOutput CheckpointOutputOf(const AlignedOutput& output) {
  return {output.save_path(), output.overwrite()};
}

// All that can be wrong before the dataset is read and the model walked.
absl::StatusOr<checkpoint::Distribution> CheckAndReadReference(
    const StepRequest& request) {
  const auto& output = request.OutputAs<AlignedOutput>();
  const std::string reference_path = request.Path(kReferenceDistributionFlag);
  MOE_RETURN_IF_ERROR(
      CheckArtifactOutput<checkpoint::ScaleFactors>(FactorsOutput(output)));
  MOE_ASSIGN_OR_RETURN(
      const checkpoint::Checkpoint from,
      checkpoint::Checkpoint::Open(request.Path(kModelPathFlag)));
  MOE_RETURN_IF_ERROR(align::CheckAlignedOutput(
      from, request.OptionsAs<AlignOptions>(), CheckpointOutputOf(output)));
  MOE_ASSIGN_OR_RETURN(
      checkpoint::Distribution reference,
      checkpoint::ReadArtifact<checkpoint::Distribution>(reference_path));
  MOE_RETURN_IF_ERROR(
      align::CheckReference(*from.moe_config(), reference, reference_path));
  return reference;
}

// What is written: names without folders, as it lies beside what is published.
absl::StatusOr<base::Json> ReportOf(const StepRequest& request,
                                    const align::Alignment& alignment,
                                    const convert::WrittenCheckpoint& written) {
  const std::string reference_path = request.Path(kReferenceDistributionFlag);
  base::Json report = base::Json::object();
  report["checkpoint"] =
      base::SplitPath(request.OutputAs<AlignedOutput>().save_path()).name;
  convert::AddWritten(written, report);
  report["reference_distribution"] = base::SplitPath(reference_path).name;
  MOE_ASSIGN_OR_RETURN(report["reference_sha256"],
                       base::HexSha256OfFile(reference_path));
  report.update(align::AlignmentReportToJson(
      alignment, request.OptionsAs<AlignOptions>()));
  return report;
}

// What --json prints: the report, with paths as they were given.
base::Json WithPaths(base::Json report, const StepRequest& request) {
  report["checkpoint"] = request.OutputAs<AlignedOutput>().save_path();
  report["reference_distribution"] = request.Path(kReferenceDistributionFlag);
  return report;
}

struct WrittenAlignment {
  convert::WrittenCheckpoint checkpoint;
  base::Json report;
};

// The checkpoint, then the factors and the report: a signal ends the command
// before all of them are there or after.
absl::StatusOr<WrittenAlignment> WriteAlignment(
    const StepRequest& request, AnyWalkSession& session,
    const align::Alignment& alignment) {
  const auto& output = request.OutputAs<AlignedOutput>();
  const model::WalkResources resources = session.resources();
  std::optional<base::MutationSection> section;
  convert::ConversionOutput checkpoint = CheckpointOutputOf(output);
  checkpoint.before_commit = [&] { section.emplace(); };
  WrittenAlignment written;
  MOE_ASSIGN_OR_RETURN(written.checkpoint,
                       align::WriteAlignedCheckpoint(
                           session.model().checkpoint(), alignment.factors,
                           request.OptionsAs<AlignOptions>(), checkpoint,
                           {resources.pool, resources.progress}));
  MOE_ASSIGN_OR_RETURN(const base::Json report,
                       ReportOf(request, alignment, written.checkpoint));
  MOE_ASSIGN_OR_RETURN(
      written.report,
      WriteArtifactAndReport(
          alignment.factors, MetadataOf(request, request.batch.seed()),
          WithDataset(report, session.dataset()), FactorsOutput(output)));
  return written;
}

absl::StatusOr<StepOutcome> Align(const StepRequest& request,
                                  base::Progress& progress) {
  const auto& options = request.OptionsAs<AlignOptions>();
  const auto& output = request.OutputAs<AlignedOutput>();
  MOE_ASSIGN_OR_RETURN(const checkpoint::Distribution reference,
                       CheckAndReadReference(request));
  MOE_ASSIGN_OR_RETURN(const std::unique_ptr<AnyWalkSession> session,
                       AnyWalkSession::Open(request, progress));
  MOE_ASSIGN_OR_RETURN(
      const align::Alignment alignment,
      align::AlignModel(session->model(),
                        {session->sequences(), reference,
                         request.Path(kReferenceDistributionFlag), options},
                        SingleWalk(), session->resources()));
  MOE_ASSIGN_OR_RETURN(const WrittenAlignment written,
                       WriteAlignment(request, *session, alignment));
  return OutcomeOf(
      FactorsOutput(output), checkpoint::ScaleFactors::kName,
      WithPaths(written.report, request),
      absl::StrCat(FormatLine("aligned checkpoint", output.save_path()),
                   convert::FormatWritten(written.checkpoint),
                   FormatDataset(session->dataset()),
                   align::FormatAlignmentReport(alignment, options)));
}

// The walk, and the conversion after it.
void CostAlignment(const CostedStep& step, CostModel& model) {
  model.share(step.name) = model.share(step.reads.at(kModelPathFlag));
  model.Walk(step.reads.at(kDatasetFlag), model.share(step.name));
  model.Convert();
  model.step().read_bytes += model.DistributionBytes();
  model.Writes(model.ScaleFactorBytes());
}

}  // namespace

StepKind AlignmentKind() {
  StepKind kind;
  kind.name = "align_converted_model";
  kind.summary =
      "gives blocks with experts the dense model's mean and variance";
  kind.notes =
      "Walks the model once. In each block with experts the output y of all "
      "tokens is measured after everything before has been aligned, and "
      "becomes s y + b, by feature: s scales the rows of every expert's last "
      "matrix, b is a bias of each expert. The report says for every block how "
      "far mean and variance were from the reference, before and after, as the "
      "mean symmetric KL divergence of the features' Gaussians. The checkpoint "
      "appears at --save_path whole or not at all.";
  kind.field = "align";
  kind.inputs = {
      {.flag = kModelPathFlag,
       .source = StepInputKind::kMade,
       .field = "checkpoint",
       .made = OutputKind::kCheckpoint,
       .what = "directory of a checkpoint with experts"},
      {.flag = kReferenceDistributionFlag,
       .source = StepInputKind::kMade,
       .field = "distribution",
       .made = OutputKind::kDistribution,
       .what = "what get_hidden_distribution recorded of the dense model, "
               ".safetensors or .pt"},
      DatasetInput()};
  kind.made = OutputKind::kAlignedCheckpoint;
  kind.options = std::make_shared<AlignOptions>();
  kind.output = std::make_shared<AlignedOutput>();
  kind.run = Align;
  kind.cost = CostAlignment;
  return kind;
}

}  // namespace moe::steps
