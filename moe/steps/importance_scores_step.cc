// split_gradient_get_grads: importance scores of neurons by gradients.

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/matrix.h"
#include "moe/base/sha256.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/artifact/artifact_io.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/checkpoint/artifact/importance_scores.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/model/walk/shard_options.pb.h"
#include "moe/split/neuron_importance.h"
#include "moe/steps/all_steps.h"
#include "moe/steps/cost_model.h"
#include "moe/steps/output_options.pb.h"
#include "moe/steps/sharded_sums.h"
#include "moe/steps/step_kind.h"
#include "moe/steps/walk_session.h"

namespace moe::steps {
namespace {

struct ImportanceStep {
  using Artifact = checkpoint::ImportanceScores;
  using Sums = split::ImportanceSums;
  using ModelType = model::DenseModel;

  // Holds the gates against the model.
  static absl::StatusOr<ImportanceStep> Prepare(const StepRequest& request) {
    const std::string path = request.Path(kGatesFlag);
    MOE_ASSIGN_OR_RETURN(
        checkpoint::GateWeights gates,
        checkpoint::ReadArtifact<checkpoint::GateWeights>(path));
    MOE_ASSIGN_OR_RETURN(const checkpoint::LlamaConfig config,
                         DenseConfigOf(request.Path(kModelPathFlag)));
    const int64_t num_clusters =
        gates.layers.empty() ? 0 : gates.layers.front().rows();
    MOE_RETURN_IF_ERROR(checkpoint::ValidateGateWeights(
        gates, {config.num_hidden_layers, num_clusters, config.hidden_size},
        path));
    return ImportanceStep{std::move(gates)};
  }

  // The digest of the values, whatever file they came from.
  std::vector<std::string> Digests() const {
    base::Sha256 sha256;
    for (const base::Matrix<float>& gate : gates.layers) {
      sha256.Update(absl::StrCat(gate.rows(), " ", gate.cols(), "\n"));
      sha256.Update(
          absl::string_view(reinterpret_cast<const char*>(gate.values().data()),
                            gate.values().size() * sizeof(float)));
    }
    return {sha256.HexDigest()};
  }

  absl::StatusOr<split::ImportanceSums> Sum(WalkSession& session,
                                            const ShardOptions& shard) const {
    return split::SumNeuronImportance(session.model(),
                                      {session.dataset().batches, gates, shard},
                                      SingleWalk(), session.resources());
  }

  static absl::StatusOr<Finished<checkpoint::ImportanceScores>> Finish(
      const split::ImportanceSums& sums) {
    MOE_RETURN_IF_ERROR(sums.CheckLabels());
    checkpoint::ImportanceScores scores = sums.Scores();
    base::Json report = split::ImportanceReportToJson(sums, scores);
    std::string text = split::FormatImportanceReport(sums, scores);
    return Finished<checkpoint::ImportanceScores>{
        std::move(scores), std::move(report), std::move(text)};
  }

  checkpoint::GateWeights gates;
};

// Down, each layer again, and back: 4 walks forward and 3 heads. All layers'
// hidden states are kept.
void CostImportanceScores(const CostedStep& step, CostModel& model) {
  const std::string& dataset = step.reads.at(kDatasetFlag);
  const int64_t num_clusters = model.num_clusters(step.reads.at(kGatesFlag));
  model.Walk(dataset, ActiveShare());
  StepCost& cost = model.step();
  cost.flops = 4.0 * cost.flops + 3.0 * model.HeadFlops(dataset);
  cost.read_bytes *= 2;
  cost.memory_bytes +=
      (model.config().num_hidden_layers - 1) * model.HiddenBytes(dataset);
  model.Writes(model.ScoreBytes(num_clusters));
  model.num_clusters(step.name) = num_clusters;
}

}  // namespace

StepKind ImportanceScoresKind() {
  StepKind kind;
  kind.name = "split_gradient_get_grads";
  kind.summary = "scores neurons by gradients, for each cluster of tokens";
  kind.notes =
      "For every layer, cluster and neuron, the mean over the cluster's tokens "
      "of |activation * its gradient|.";
  kind.field = "neuron_importance";
  kind.inputs = {DenseModelInput(),
                 DatasetInput(),
                 {.flag = kGatesFlag,
                  .source = StepInputKind::kMade,
                  .field = "gate_weights",
                  .made = OutputKind::kGateWeights,
                  .what = "router weights by which tokens are put into "
                          "clusters, .safetensors or .pt"}};
  kind.made = OutputKind::kImportanceScores;
  kind.output = std::make_shared<ArtifactOutput>();
  kind.run = RunSharded<ImportanceStep>;
  kind.cost = CostImportanceScores;
  kind.can_shard = true;
  return kind;
}

}  // namespace moe::steps
