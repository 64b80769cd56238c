// hidden_clustering and random_selection: router weights from hidden states.

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "moe/base/json.h"
#include "moe/base/progress.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/gates/clustering_options.pb.h"
#include "moe/gates/random_selection_options.pb.h"
#include "moe/gates/router_weights.h"
#include "moe/steps/all_steps.h"
#include "moe/steps/artifact_output.h"
#include "moe/steps/cost_model.h"
#include "moe/steps/output_options.pb.h"
#include "moe/steps/sharded_sums.h"
#include "moe/steps/step_kind.h"
#include "moe/steps/walk_session.h"

namespace moe::steps {
namespace {

absl::StatusOr<Finished<checkpoint::GateWeights>> Make(
    const ClusteringOptions& options, WalkSession& session) {
  MOE_ASSIGN_OR_RETURN(
      gates::HiddenClustering made,
      gates::ClusterHiddenStates(session.model(), session.sequences(), options,
                                 SingleWalk(), session.resources()));
  base::Json report = gates::ClusteringReportToJson(options, made);
  return Finished<checkpoint::GateWeights>{std::move(made.gate_weights),
                                           std::move(report),
                                           gates::FormatClusteringReport(made)};
}

absl::StatusOr<Finished<checkpoint::GateWeights>> Make(
    const RandomSelectionOptions& options, WalkSession& session) {
  MOE_ASSIGN_OR_RETURN(
      gates::RandomSelection made,
      gates::SelectHiddenStates(session.model(), session.sequences(), options,
                                SingleWalk(), session.resources()));
  base::Json report = gates::SelectionReportToJson(options, made);
  return Finished<checkpoint::GateWeights>{std::move(made.gate_weights),
                                           std::move(report),
                                           gates::FormatSelectionReport(made)};
}

template <typename Options>
absl::StatusOr<StepOutcome> RunRouterStep(const StepRequest& request,
                                          base::Progress& progress) {
  const auto& output = request.OutputAs<ArtifactOutput>();
  MOE_RETURN_IF_ERROR(CheckArtifactOutput<checkpoint::GateWeights>(output));
  MOE_ASSIGN_OR_RETURN(const std::unique_ptr<WalkSession> session,
                       WalkSession::Open(request, progress));
  MOE_ASSIGN_OR_RETURN(const Finished<checkpoint::GateWeights> made,
                       Make(request.OptionsAs<Options>(), *session));
  const text::LoadedDataset& dataset = session->dataset();
  MOE_ASSIGN_OR_RETURN(
      const base::Json report,
      WriteArtifactAndReport(made.artifact,
                             MetadataOf(request, request.batch.seed()),
                             WithDataset(made.report, dataset), output));
  return OutcomeOf(output, checkpoint::GateWeights::kName, report,
                   absl::StrCat(FormatDataset(dataset), made.text));
}

// A walk, and for every restart as many iterations as there may be: each
// compares every token with every centroid.
void ClusterCost(const CostedStep& step, CostModel& model) {
  const auto& options = step.OptionsAs<ClusteringOptions>();
  const std::string& dataset = step.reads.at(kDatasetFlag);
  model.Walk(dataset, ActiveShare());
  model.step().flops += 2.0 * model.num_tokens(dataset) *
                        static_cast<double>(options.num_experts()) *
                        static_cast<double>(model.config().hidden_size) *
                        static_cast<double>(model.config().num_hidden_layers) *
                        static_cast<double>(options.max_iter()) *
                        static_cast<double>(options.n_init());
  model.Writes(model.GateBytes(options.num_experts()));
  model.num_clusters(step.name) = options.num_experts();
}

void SelectCost(const CostedStep& step, CostModel& model) {
  const auto& options = step.OptionsAs<RandomSelectionOptions>();
  model.Walk(step.reads.at(kDatasetFlag), ActiveShare());
  model.Writes(model.GateBytes(options.num_experts()));
  model.num_clusters(step.name) = options.num_experts();
}

StepKind RouterKind() {
  StepKind kind;
  kind.inputs = {DenseModelInput(), DatasetInput()};
  kind.made = OutputKind::kGateWeights;
  kind.output = std::make_shared<ArtifactOutput>();
  return kind;
}

}  // namespace

StepKind HiddenClusteringKind() {
  StepKind kind = RouterKind();
  kind.name = "hidden_clustering";
  kind.summary = "makes router weights by balanced k-means of hidden states";
  kind.notes =
      "For every layer, the inputs of the MLP of all tokens are put into "
      "clusters of bounded size; the centroids are the router's weights.";
  kind.field = "hidden_clustering";
  kind.options = std::make_shared<ClusteringOptions>();
  kind.run = RunRouterStep<ClusteringOptions>;
  kind.cost = ClusterCost;
  return kind;
}

StepKind RandomSelectionKind() {
  StepKind kind = RouterKind();
  kind.name = "random_selection";
  kind.summary = "makes router weights from hidden states drawn at random";
  kind.notes =
      "For every layer, the inputs of the MLP of a few tokens, all different, "
      "are the router's weights.";
  kind.field = "random_selection";
  kind.options = std::make_shared<RandomSelectionOptions>();
  kind.run = RunRouterStep<RandomSelectionOptions>;
  kind.cost = SelectCost;
  return kind;
}

}  // namespace moe::steps
