// get_hidden_distribution: mean and variance of what each block puts out.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "moe/align/hidden_distribution.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/artifact/distribution.h"
#include "moe/model/walk/shard_options.pb.h"
#include "moe/steps/all_steps.h"
#include "moe/steps/cost_model.h"
#include "moe/steps/output_options.pb.h"
#include "moe/steps/sharded_sums.h"
#include "moe/steps/step_kind.h"
#include "moe/steps/walk_session.h"

namespace moe::steps {
namespace {

struct DistributionStep {
  using Artifact = checkpoint::Distribution;
  using Sums = align::DistributionSums;
  using ModelType = model::Model;

  static absl::StatusOr<DistributionStep> Prepare(const StepRequest&) {
    return DistributionStep{};
  }

  static std::vector<std::string> Digests() { return {}; }

  static absl::StatusOr<align::DistributionSums> Sum(
      AnyWalkSession& session, const ShardOptions& shard) {
    return align::SumHiddenDistribution(session.model(), session.sequences(),
                                        shard, SingleWalk(),
                                        session.resources());
  }

  static absl::StatusOr<Finished<checkpoint::Distribution>> Finish(
      const align::DistributionSums& sums) {
    MOE_ASSIGN_OR_RETURN(checkpoint::Distribution distribution,
                         sums.ToDistribution());
    base::Json report = align::DistributionReportToJson(distribution);
    std::string text = align::FormatDistributionReport(distribution);
    return Finished<checkpoint::Distribution>{
        std::move(distribution), std::move(report), std::move(text)};
  }
};

void CostHiddenDistribution(const CostedStep& step, CostModel& model) {
  model.Walk(step.reads.at(kDatasetFlag),
             model.share(step.reads.at(kModelPathFlag)));
  model.Writes(model.DistributionBytes());
}

}  // namespace

StepKind HiddenDistributionKind() {
  StepKind kind;
  kind.name = "get_hidden_distribution";
  kind.summary = "records mean and variance of what each block puts out";
  kind.notes =
      "For every layer and feature, the mean and the population variance over "
      "all tokens of the attention's and of the MLP's output, before they are "
      "added to the hidden state: the reference of align_converted_model.";
  kind.field = "hidden_distribution";
  kind.inputs = {ModelInput("directory of a checkpoint, dense or with experts"),
                 DatasetInput()};
  kind.made = OutputKind::kDistribution;
  kind.output = std::make_shared<ArtifactOutput>();
  kind.run = RunSharded<DistributionStep>;
  kind.cost = CostHiddenDistribution;
  kind.can_shard = true;
  return kind;
}

}  // namespace moe::steps
