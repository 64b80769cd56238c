#include "moe/steps/router_and_neurons.h"

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/file_system.h"
#include "moe/base/json.h"
#include "moe/base/mutation_gate.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/artifact/artifact_io.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/steps/artifact_output.h"
#include "moe/steps/cost_model.h"
#include "moe/steps/output_options.pb.h"
#include "moe/steps/step_kind.h"

namespace moe::steps {
namespace {

// What was written a moment ago.
absl::Status RemoveArtifact(const ArtifactOutput& output,
                            absl::string_view name) {
  const ArtifactPaths paths = PathsOfArtifact(output, name);
  std::vector<std::string> written = {paths.report, paths.artifact};
  if (output.format() == OutputFormat::PT) written.push_back(paths.pt);
  for (const std::string& path : written) {
    if (!base::PathExists(path)) continue;
    MOE_RETURN_IF_ERROR(base::PosixFileSystem().RemoveAll(path));
  }
  return absl::OkStatus();
}

struct WrittenReports {
  base::Json gates;
  base::Json indices;
};

absl::StatusOr<WrittenReports> WriteBoth(const StepRequest& request,
                                         const RouterAndNeurons& made,
                                         const base::Json& report) {
  const auto& output = request.OutputAs<ArtifactOutput>();
  const checkpoint::ArtifactMetadata metadata =
      MetadataOf(request, request.batch.seed());
  const base::MutationSection section;
  WrittenReports written;
  MOE_ASSIGN_OR_RETURN(
      written.gates,
      WriteArtifactAndReport(made.gate_weights, metadata, report, output));
  absl::StatusOr<base::Json> indices =
      WriteArtifactAndReport(made.neuron_indices, metadata, report, output);
  if (!indices.ok()) {
    // The first error counts.
    RemoveArtifact(output, checkpoint::GateWeights::kName).IgnoreError();
    return indices.status();
  }
  written.indices = *std::move(indices);
  return written;
}

// What --json prints.
base::Json ReportOf(const WrittenReports& written, const base::Json& report) {
  base::Json whole = base::Json::object();
  whole["artifacts"] = base::Json::array();
  for (const base::Json* const one : {&written.gates, &written.indices}) {
    whole["artifacts"].push_back(
        {{"artifact", (*one)["artifact"]}, {"sha256", (*one)["sha256"]}});
  }
  whole.update(report);
  return whole;
}

}  // namespace

absl::Status CheckRouterAndNeuronsOutput(const StepRequest& request) {
  const auto& output = request.OutputAs<ArtifactOutput>();
  MOE_RETURN_IF_ERROR(CheckArtifactOutput<checkpoint::GateWeights>(output));
  return CheckArtifactOutput<checkpoint::NeuronIndices>(output);
}

absl::StatusOr<StepOutcome> WriteRouterAndNeurons(const StepRequest& request,
                                                  const RouterAndNeurons& made,
                                                  const StepOutcome& outcome) {
  const auto& output = request.OutputAs<ArtifactOutput>();
  MOE_ASSIGN_OR_RETURN(const WrittenReports written,
                       WriteBoth(request, made, outcome.report));
  const std::string text = absl::StrCat(
      OutcomeOf(output, checkpoint::GateWeights::kName, written.gates, "").text,
      OutcomeOf(output, checkpoint::NeuronIndices::kName, written.indices,
                outcome.text)
          .text);
  return StepOutcome{ReportOf(written, outcome.report), text};
}

void AddRouterAndNeurons(const CostedStep& step,
                         const reconstruct::ExpertCounts& counts,
                         CostModel& model) {
  model.Writes(model.GateBytes(counts.num_experts) + model.IndexBytes());
  model.num_clusters(step.name) = counts.num_experts;
  // Counts that do not add up are the step's to refuse.
  const absl::StatusOr<reconstruct::ExpertSizes> sizes =
      reconstruct::SizesOf(counts, model.config().intermediate_size);
  if (!sizes.ok()) return;
  model.num_residual(step.name) =
      static_cast<double>(sizes->num_shared_neurons) /
      static_cast<double>(sizes->expert_size);
}

}  // namespace moe::steps
