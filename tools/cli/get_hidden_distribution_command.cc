#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "moe/align/distribution_report.h"
#include "moe/align/distribution_sums.h"
#include "moe/align/hidden_distribution.h"
#include "moe/base/json.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/artifact/artifact_io.h"
#include "moe/checkpoint/artifact/artifact_part.h"
#include "moe/checkpoint/artifact/distribution.h"
#include "moe/model/walk/shard_options.pb.h"
#include "tools/cli/artifact_output.h"
#include "tools/cli/command.h"
#include "tools/cli/commands.h"
#include "tools/cli/common_flags.h"
#include "tools/cli/flag_set.h"
#include "tools/cli/shard_flags.h"
#include "tools/cli/version.h"
#include "tools/cli/walk_session.h"

namespace moe::cli {
namespace {

constexpr char kStep[] = "get_hidden_distribution";

struct DistributionFlags {
  WalkFlags walk;
  ShardFlags shard;
  ArtifactFlags artifact;
  bool json = false;
};

struct Finished {
  const DistributionSums& sums;
  Json report;  // What there is beside that of the distribution.
  std::string text;
};

absl::StatusOr<int> WriteDistribution(const Finished& finished,
                                      const ArtifactMetadata& metadata,
                                      const DistributionFlags& flags,
                                      CommandContext& context) {
  MOE_ASSIGN_OR_RETURN(const Distribution distribution,
                       finished.sums.ToDistribution());
  Json report = DistributionReportToJson(distribution);
  report.update(finished.report);
  MOE_ASSIGN_OR_RETURN(
      const Json whole,
      WriteArtifactAndReport(distribution, metadata, report, flags.artifact));
  PrintReport(
      {flags.artifact, Distribution::kName, flags.json}, whole,
      absl::StrCat(finished.text, FormatDistributionReport(distribution)),
      context);
  return kSuccess;
}

absl::StatusOr<int> Merge(const DistributionFlags& flags,
                          CommandContext& context) {
  MOE_RETURN_IF_ERROR(CheckArtifactOutput<Distribution>(flags.artifact));
  MOE_ASSIGN_OR_RETURN(
      const MergedParts<DistributionSums> merged,
      MergeParts<DistributionSums>(flags.shard, Distribution::kName));
  return WriteDistribution({merged.sums, merged.report, merged.text},
                           merged.metadata, flags, context);
}

absl::StatusOr<int> Run(const DistributionFlags& flags,
                        CommandContext& context) {
  if (flags.shard.merges()) return Merge(flags, context);
  MOE_ASSIGN_OR_RETURN(const ShardOptions shard, ShardOptionsOf(flags.shard));
  MOE_RETURN_IF_ERROR(
      flags.shard.makes_part()
          ? CheckPartOutput(flags.artifact, Distribution::kName, shard)
          : CheckArtifactOutput<Distribution>(flags.artifact));
  MOE_ASSIGN_OR_RETURN(const std::unique_ptr<AnyWalkSession> session,
                       AnyWalkSession::Open(flags.walk, context.progress));
  std::string inputs_digest;
  if (flags.shard.makes_part()) {
    MOE_ASSIGN_OR_RETURN(inputs_digest, InputsDigest(kStep, *session, {}));
  }
  MOE_ASSIGN_OR_RETURN(
      const DistributionSums sums,
      SumHiddenDistribution(session->model(), session->sequences(), shard,
                            SingleWalk(), session->resources()));
  const ArtifactMetadata metadata = {
      kToolVersion, kStep, /*spec_digest=*/"",
      static_cast<uint64_t>(flags.walk.dataset.seed)};
  if (!flags.shard.makes_part()) {
    return WriteDistribution(
        {sums, WithDataset(Json::object(), session->dataset()),
         FormatDataset(session->dataset())},
        metadata, flags, context);
  }
  MOE_RETURN_IF_ERROR(
      WritePart({std::string(Distribution::kName), inputs_digest,
                 shard.num_shards(), shard.shard(), metadata, sums.ToRecords()},
                flags.artifact, flags.json, context));
  return kSuccess;
}

CommandAction Declare(FlagSet& set) {
  const auto flags = std::make_shared<DistributionFlags>();
  AddWalkFlags(set, &flags->walk,
               "directory of a checkpoint, dense or with experts");
  AddShardFlags(set, &flags->shard);
  AddArtifactFlags(set, Distribution::kName, &flags->artifact);
  AddJson(set, &flags->json);
  return [flags](CommandContext& context) { return Run(*flags, context); };
}

}  // namespace

Command GetHiddenDistributionCommand() {
  return {
      .name = kStep,
      .aliases = {},
      .summary = "records mean and variance of what each block puts out",
      .section = CommandSection::kPipeline,
      .notes =
          "For every layer and feature, the mean and the population variance "
          "over all tokens of the\nattention's and of the MLP's output, before "
          "they are added to the hidden state: the reference of\n"
          "align_converted_model. Several machines can share the work: each "
          "makes a part with --shards=N\n--shard=I, and --merge makes the "
          "artifact from all parts, with the very bytes of a single run.\nThe "
          "bytes depend on the model, the dataset and the flags alone: not on "
          "MOE_NUM_THREADS, the\nprocessor or --memory_budget. Exit status: 0, "
          "or 2 on an error.\n",
      .declare = Declare};
}

}  // namespace moe::cli
