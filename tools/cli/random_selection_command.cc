#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "moe/base/json.h"
#include "moe/base/option_checks.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/artifact/artifact_io.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/gates/gates_report.h"
#include "moe/gates/random_selection.h"
#include "moe/gates/random_selection_options.h"
#include "moe/gates/random_selection_options.pb.h"
#include "tools/cli/artifact_output.h"
#include "tools/cli/command.h"
#include "tools/cli/commands.h"
#include "tools/cli/common_flags.h"
#include "tools/cli/flag_set.h"
#include "tools/cli/version.h"
#include "tools/cli/walk_session.h"

namespace moe::cli {
namespace {

struct RandomSelectionFlags {
  WalkFlags walk;
  ArtifactFlags artifact;
  int64_t num_experts = kDefaultNumExperts;
  bool json = false;
};

RandomSelectionOptions OptionsOf(const RandomSelectionFlags& flags) {
  RandomSelectionOptions options;
  options.set_num_experts(flags.num_experts);
  options.set_seed(flags.walk.dataset.seed);
  return options;
}

absl::StatusOr<int> Run(const RandomSelectionFlags& flags,
                        CommandContext& context) {
  const RandomSelectionOptions options = OptionsOf(flags);
  MOE_RETURN_IF_ERROR(ValidateRandomSelectionOptions(options));
  MOE_RETURN_IF_ERROR(CheckArtifactOutput<GateWeights>(flags.artifact));
  MOE_ASSIGN_OR_RETURN(const std::unique_ptr<WalkSession> session,
                       WalkSession::Open(flags.walk, context.progress));
  MOE_ASSIGN_OR_RETURN(
      const RandomSelection selection,
      SelectHiddenStates(session->model(), session->sequences(), options,
                         SingleWalk(), session->resources()));
  MOE_ASSIGN_OR_RETURN(
      const Json report,
      WriteArtifactAndReport(
          selection.gate_weights,
          {kToolVersion, "random_selection", /*spec_digest=*/"",
           static_cast<uint64_t>(options.seed())},
          WithDataset(SelectionReportToJson(options, selection),
                      session->dataset()),
          flags.artifact));
  PrintReport({flags.artifact, GateWeights::kName, flags.json}, report,
              absl::StrCat(FormatDataset(session->dataset()),
                           FormatSelectionReport(selection)),
              context);
  return kSuccess;
}

CommandAction Declare(FlagSet& set) {
  const auto flags = std::make_shared<RandomSelectionFlags>();
  AddWalkFlags(set, &flags->walk);
  AddArtifactFlags(set, GateWeights::kName, &flags->artifact);
  set.AddInt({.names = {"num_experts"}, .what = "tokens drawn for each layer"},
             {.min = 1, .max = kMaxExperts}, &flags->num_experts);
  AddJson(set, &flags->json);
  return [flags](CommandContext& context) { return Run(*flags, context); };
}

}  // namespace

Command RandomSelectionCommand() {
  return {.name = "random_selection",
          .aliases = {},
          .summary = "makes router weights from hidden states drawn at random",
          .section = CommandSection::kPipeline,
          .notes =
              "For every layer, the inputs of the MLP of a few tokens, all "
              "different, are the router's weights.\nThe bytes of the artifact "
              "depend on the model, the dataset and the flags alone: not "
              "on\nMOE_NUM_THREADS, the processor or --memory_budget. Exit "
              "status: 0, or 2 on an error.\n",
          .declare = Declare};
}

}  // namespace moe::cli
