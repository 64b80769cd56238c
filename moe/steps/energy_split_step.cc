// split_energy: router weights and the neurons of experts, by the energy that
// they capture.

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"
#include "moe/base/file_system.h"
#include "moe/base/json.h"
#include "moe/base/mutation_gate.h"
#include "moe/base/progress.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/artifact/artifact_io.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/reconstruct/energy_report.h"
#include "moe/reconstruct/energy_split.h"
#include "moe/reconstruct/energy_split_options.pb.h"
#include "moe/steps/all_steps.h"
#include "moe/steps/artifact_output.h"
#include "moe/steps/cost_model.h"
#include "moe/steps/output_options.pb.h"
#include "moe/steps/step_kind.h"
#include "moe/steps/walk_session.h"

namespace moe {
namespace {

// What was written a moment ago.
absl::Status RemoveArtifact(const ArtifactOutput& output,
                            absl::string_view name) {
  const ArtifactPaths paths = PathsOfArtifact(output, name);
  for (const std::string& path : {paths.report, paths.pt, paths.artifact}) {
    if (!PathExists(path)) continue;
    MOE_RETURN_IF_ERROR(PosixFileSystem().RemoveAll(path));
  }
  return absl::OkStatus();
}

struct WrittenSplit {
  Json gates;
  Json indices;
};

// Both artifacts, each with the report beside it, or none: a signal ends the
// command before or after, and router weights without neurons are removed.
absl::StatusOr<WrittenSplit> WriteSplit(const StepRequest& request,
                                        const EnergySplit& split,
                                        const Json& report) {
  const auto& output = request.OutputAs<ArtifactOutput>();
  const ArtifactMetadata metadata = MetadataOf(request, request.batch.seed());
  const MutationSection section;
  WrittenSplit written;
  MOE_ASSIGN_OR_RETURN(
      written.gates,
      WriteArtifactAndReport(split.gate_weights, metadata, report, output));
  absl::StatusOr<Json> indices =
      WriteArtifactAndReport(split.neuron_indices, metadata, report, output);
  if (!indices.ok()) {
    MOE_RETURN_IF_ERROR(RemoveArtifact(output, GateWeights::kName));
    return indices.status();
  }
  written.indices = *std::move(indices);
  return written;
}

// What --json prints: "artifacts", each with its digest, and the report.
Json ReportOf(const WrittenSplit& written, const Json& report) {
  Json whole = Json::object();
  whole["artifacts"] = Json::array();
  for (const Json* const one : {&written.gates, &written.indices}) {
    whole["artifacts"].push_back(
        {{"artifact", (*one)["artifact"]}, {"sha256", (*one)["sha256"]}});
  }
  whole.update(report);
  return whole;
}

absl::StatusOr<StepOutcome> Run(const StepRequest& request,
                                Progress& progress) {
  const auto& options = request.OptionsAs<EnergySplitOptions>();
  const auto& output = request.OutputAs<ArtifactOutput>();
  MOE_RETURN_IF_ERROR(CheckArtifactOutput<GateWeights>(output));
  MOE_RETURN_IF_ERROR(CheckArtifactOutput<NeuronIndices>(output));
  MOE_ASSIGN_OR_RETURN(const std::unique_ptr<WalkSession> session,
                       WalkSession::Open(request, progress));
  MOE_ASSIGN_OR_RETURN(
      const EnergySplit split,
      SplitByEnergy(session->model(), session->sequences(), options,
                    SingleWalk(), session->resources()));
  const Json report =
      WithDataset(EnergySplitReportToJson(options, split), session->dataset());
  MOE_ASSIGN_OR_RETURN(const WrittenSplit written,
                       WriteSplit(request, split, report));
  const std::string text = absl::StrCat(
      OutcomeOf(output, GateWeights::kName, written.gates, "").text,
      OutcomeOf(output, NeuronIndices::kName, written.indices,
                absl::StrCat(FormatDataset(session->dataset()),
                             FormatEnergySplitReport(split)))
          .text);
  return StepOutcome{ReportOf(written, report), text};
}

absl::Status Validate(const google::protobuf::Message& options) {
  return ValidateEnergySplitOptions(
      static_cast<const EnergySplitOptions&>(options));
}

// A walk; for every layer the sums of x x^T; and for every iteration the
// affinities, the experts' energies, the right sides and the logits.
void Cost(const CostedStep& step, CostModel& model) {
  const auto& options = step.OptionsAs<EnergySplitOptions>();
  const std::string& dataset = step.reads.at(kDatasetFlag);
  const auto hidden = static_cast<double>(model.config().hidden_size);
  const auto neurons = static_cast<double>(model.config().intermediate_size);
  const auto num_experts = static_cast<double>(options.num_experts());
  // Sizes that do not add up are the step's to refuse.
  const auto num_shared = static_cast<double>(
      NumSharedNeurons(options, model.config().intermediate_size).value_or(0));
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
  model.Writes(model.GateBytes(options.num_experts()) + model.IndexBytes());
  model.num_clusters(step.name) = options.num_experts();
  if (num_shared < neurons) {
    model.num_residual(step.name) =
        num_shared * num_experts / (neurons - num_shared);
  }
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
  kind.validate = Validate;
  kind.run = Run;
  kind.cost = Cost;
  return kind;
}

}  // namespace moe
