#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/json.h"
#include "moe/base/matrix.h"
#include "moe/base/sha256.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/artifact/artifact_io.h"
#include "moe/checkpoint/artifact/artifact_part.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/checkpoint/artifact/importance_scores.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/model/walk/shard_options.pb.h"
#include "moe/split/importance_report.h"
#include "moe/split/importance_sums.h"
#include "moe/split/neuron_importance.h"
#include "tools/cli/artifact_output.h"
#include "tools/cli/command.h"
#include "tools/cli/commands.h"
#include "tools/cli/common_flags.h"
#include "tools/cli/dense_config.h"
#include "tools/cli/flag_set.h"
#include "tools/cli/shard_flags.h"
#include "tools/cli/version.h"
#include "tools/cli/walk_session.h"

namespace moe::cli {
namespace {

constexpr char kStep[] = "split_gradient_get_grads";

struct GetGradsFlags {
  WalkFlags walk;
  std::string gate_weights_file;
  ShardFlags shard;
  ArtifactFlags artifact;
  bool json = false;
};

// Of the values, whatever file they came from.
std::string DigestOf(const GateWeights& gates) {
  Sha256 sha256;
  for (const Matrix<float>& gate : gates.layers) {
    sha256.Update(absl::StrCat(gate.rows(), " ", gate.cols(), "\n"));
    sha256.Update(
        absl::string_view(reinterpret_cast<const char*>(gate.values().data()),
                          gate.values().size() * sizeof(float)));
  }
  return sha256.HexDigest();
}

struct Finished {
  const ImportanceSums& sums;
  Json report;  // What there is beside that of the scores.
  std::string text;
};

// Held against the model before the dataset is read.
absl::StatusOr<GateWeights> ReadGates(const GetGradsFlags& flags) {
  MOE_ASSIGN_OR_RETURN(GateWeights gates,
                       ReadArtifact<GateWeights>(flags.gate_weights_file));
  MOE_ASSIGN_OR_RETURN(const LlamaConfig config,
                       DenseConfigOf(flags.walk.model_path));
  const int64_t num_clusters =
      gates.layers.empty() ? 0 : gates.layers.front().rows();
  MOE_RETURN_IF_ERROR(ValidateGateWeights(
      gates, {config.num_hidden_layers, num_clusters, config.hidden_size},
      flags.gate_weights_file));
  return gates;
}

absl::StatusOr<int> WriteScores(const Finished& finished,
                                const ArtifactMetadata& metadata,
                                const GetGradsFlags& flags,
                                CommandContext& context) {
  MOE_RETURN_IF_ERROR(finished.sums.CheckLabels());
  const ImportanceScores scores = finished.sums.Scores();
  Json report = ImportanceReportToJson(finished.sums, scores);
  report.update(finished.report);
  MOE_ASSIGN_OR_RETURN(
      const Json whole,
      WriteArtifactAndReport(scores, metadata, report, flags.artifact));
  PrintReport({flags.artifact, ImportanceScores::kName, flags.json}, whole,
              absl::StrCat(finished.text,
                           FormatImportanceReport(finished.sums, scores)),
              context);
  return kSuccess;
}

absl::StatusOr<int> Merge(const GetGradsFlags& flags, CommandContext& context) {
  MOE_RETURN_IF_ERROR(CheckArtifactOutput<ImportanceScores>(flags.artifact));
  MOE_ASSIGN_OR_RETURN(
      const MergedParts<ImportanceSums> merged,
      MergeParts<ImportanceSums>(flags.shard, ImportanceScores::kName));
  return WriteScores({merged.sums, merged.report, merged.text}, merged.metadata,
                     flags, context);
}

absl::StatusOr<int> Run(const GetGradsFlags& flags, CommandContext& context) {
  if (flags.shard.merges()) return Merge(flags, context);
  MOE_ASSIGN_OR_RETURN(const ShardOptions shard, ShardOptionsOf(flags.shard));
  MOE_RETURN_IF_ERROR(
      flags.shard.makes_part()
          ? CheckPartOutput(flags.artifact, ImportanceScores::kName, shard)
          : CheckArtifactOutput<ImportanceScores>(flags.artifact));
  MOE_ASSIGN_OR_RETURN(const GateWeights gates, ReadGates(flags));
  MOE_ASSIGN_OR_RETURN(const std::unique_ptr<WalkSession> session,
                       WalkSession::Open(flags.walk, context.progress));
  std::string inputs_digest;
  if (flags.shard.makes_part()) {
    MOE_ASSIGN_OR_RETURN(inputs_digest,
                         InputsDigest(kStep, *session, {DigestOf(gates)}));
  }
  MOE_ASSIGN_OR_RETURN(
      const ImportanceSums sums,
      SumNeuronImportance(session->model(),
                          {session->dataset().batches, gates, shard},
                          SingleWalk(), session->resources()));
  const ArtifactMetadata metadata = {
      kToolVersion, kStep, /*spec_digest=*/"",
      static_cast<uint64_t>(flags.walk.dataset.seed)};
  if (!flags.shard.makes_part()) {
    return WriteScores({sums, WithDataset(Json::object(), session->dataset()),
                        FormatDataset(session->dataset())},
                       metadata, flags, context);
  }
  MOE_RETURN_IF_ERROR(
      WritePart({std::string(ImportanceScores::kName), inputs_digest,
                 shard.num_shards(), shard.shard(), metadata, sums.ToRecords()},
                flags.artifact, flags.json, context));
  return kSuccess;
}

CommandAction Declare(FlagSet& set) {
  const auto flags = std::make_shared<GetGradsFlags>();
  AddWalkFlags(set, &flags->walk);
  set.AddString({.names = {"gate_weights_file"},
                 .what = "router weights by which tokens are put into "
                         "clusters, .safetensors or .pt",
                 .required = true,
                 .path = PathRole::kInput},
                &flags->gate_weights_file);
  AddShardFlags(set, &flags->shard);
  AddArtifactFlags(set, ImportanceScores::kName, &flags->artifact);
  AddJson(set, &flags->json);
  return [flags](CommandContext& context) { return Run(*flags, context); };
}

}  // namespace

Command SplitGradientGetGradsCommand() {
  return {
      .name = kStep,
      .aliases = {},
      .summary = "scores neurons by gradients, for each cluster of tokens",
      .section = CommandSection::kPipeline,
      .notes =
          "For every layer, cluster and neuron, the mean over the cluster's "
          "tokens of |activation * its\ngradient|. Several machines can share "
          "the work: each makes a part with --shards=N --shard=I,\nand --merge "
          "makes the artifact from all parts, with the very bytes of a single "
          "run. The bytes\ndepend on the model, the dataset, the router "
          "weights and the flags alone: not on\nMOE_NUM_THREADS, the "
          "processor or --memory_budget. Exit status: 0, or 2 on an error.\n",
      .declare = Declare};
}

}  // namespace moe::cli
