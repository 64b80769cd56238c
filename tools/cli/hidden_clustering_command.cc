#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "moe/base/json.h"
#include "moe/base/option_checks.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/artifact/artifact_io.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/gates/clustering_options.h"
#include "moe/gates/clustering_options.pb.h"
#include "moe/gates/gates_report.h"
#include "moe/gates/hidden_clustering.h"
#include "tools/cli/artifact_output.h"
#include "tools/cli/command.h"
#include "tools/cli/commands.h"
#include "tools/cli/common_flags.h"
#include "tools/cli/flag_set.h"
#include "tools/cli/version.h"
#include "tools/cli/walk_session.h"

namespace moe::cli {
namespace {

struct HiddenClusteringFlags {
  WalkFlags walk;
  ArtifactFlags artifact;
  int64_t num_experts = kDefaultNumExperts;
  double balance_jitter_factor = kDefaultBalanceJitterFactor;
  std::string distance_metric = "l2";
  int64_t max_iter = kDefaultMaxIterations;
  int64_t n_init = kDefaultNumRestarts;
  bool json = false;
};

ClusteringOptions OptionsOf(const HiddenClusteringFlags& flags) {
  ClusteringOptions options;
  options.set_num_experts(flags.num_experts);
  options.set_balance_jitter_factor(flags.balance_jitter_factor);
  options.set_distance_metric(flags.distance_metric == "cos"
                                  ? ClusteringOptions::COS
                                  : ClusteringOptions::L2);
  options.set_max_iter(flags.max_iter);
  options.set_n_init(flags.n_init);
  options.set_seed(flags.walk.dataset.seed);
  return options;
}

absl::StatusOr<int> Run(const HiddenClusteringFlags& flags,
                        CommandContext& context) {
  const ClusteringOptions options = OptionsOf(flags);
  MOE_RETURN_IF_ERROR(ValidateClusteringOptions(options));
  MOE_RETURN_IF_ERROR(CheckArtifactOutput<GateWeights>(flags.artifact));
  MOE_ASSIGN_OR_RETURN(const std::unique_ptr<WalkSession> session,
                       WalkSession::Open(flags.walk, context.progress));
  MOE_ASSIGN_OR_RETURN(
      const HiddenClustering clustering,
      ClusterHiddenStates(session->model(), session->sequences(), options,
                          SingleWalk(), session->resources()));
  MOE_ASSIGN_OR_RETURN(
      const Json report,
      WriteArtifactAndReport(
          clustering.gate_weights,
          {kToolVersion, "hidden_clustering", /*spec_digest=*/"",
           static_cast<uint64_t>(options.seed())},
          WithDataset(ClusteringReportToJson(options, clustering),
                      session->dataset()),
          flags.artifact));
  PrintReport({flags.artifact, GateWeights::kName, flags.json}, report,
              absl::StrCat(FormatDataset(session->dataset()),
                           FormatClusteringReport(clustering)),
              context);
  return kSuccess;
}

CommandAction Declare(FlagSet& set) {
  const auto flags = std::make_shared<HiddenClusteringFlags>();
  AddWalkFlags(set, &flags->walk);
  AddArtifactFlags(set, GateWeights::kName, &flags->artifact);
  set.AddInt({.names = {"num_experts"}, .what = "clusters of each layer"},
             {.min = 1, .max = kMaxExperts}, &flags->num_experts);
  set.AddDouble({.names = {"balance_jitter_factor"},
                 .what = "how far a cluster's size may be from the even share; "
                         "0 is strictly balanced",
                 .unit = "share of it"},
                {.min = 0.0, .max = 1.0}, &flags->balance_jitter_factor);
  set.AddChoice({.names = {"distance_metric"},
                 .what = "squared Euclidean distance, or 1 - cosine"},
                {"l2", "cos"}, &flags->distance_metric);
  set.AddInt({.names = {"max_iter"},
              .what = "end a restart after so many",
              .unit = "iterations"},
             {.min = 1, .max = kMaxIterations}, &flags->max_iter);
  set.AddInt({.names = {"n_init"},
              .what = "runs from different starts, of which the best is taken",
              .unit = "restarts"},
             {.min = 1, .max = kMaxRestarts}, &flags->n_init);
  AddJson(set, &flags->json);
  return [flags](CommandContext& context) { return Run(*flags, context); };
}

}  // namespace

Command HiddenClusteringCommand() {
  return {
      .name = "hidden_clustering",
      .aliases = {},
      .summary = "makes router weights by balanced k-means of hidden states",
      .section = CommandSection::kPipeline,
      .notes =
          "For every layer, the inputs of the MLP of all tokens are put "
          "into clusters of bounded size; the\ncentroids are the router's "
          "weights. The bytes of the artifact depend on the model, the "
          "dataset\nand the flags alone: not on MOE_NUM_THREADS, the "
          "processor or --memory_budget. Exit status: 0,\nor 2 on an "
          "error.\n",
      .declare = Declare};
}

}  // namespace moe::cli
