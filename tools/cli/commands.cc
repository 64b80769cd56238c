#include "tools/cli/commands.h"

#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "moe/base/json.h"
#include "moe/base/options/option.pb.h"
#include "moe/base/status_macros.h"
#include "moe/steps/all_steps.h"
#include "moe/steps/step_kind.h"
#include "moe/steps/walk_session.h"
#include "tools/cli/command.h"
#include "tools/cli/common_flags.h"
#include "tools/cli/flag_set.h"
#include "tools/cli/frame.h"

namespace moe::cli {

namespace {

struct StepFlags {
  explicit StepFlags(const steps::StepKind& kind)
      : request(steps::NewRequest(kind)) {}

  steps::StepRequest request;
  // The paths as the flags set them; those that are not given stay empty.
  std::map<std::string, std::string> paths;
  ShardFlags shard;
  bool json = false;
};

absl::StatusOr<int> Run(const StepFlags& flags, CommandContext& context) {
  steps::StepRequest request = flags.request;
  request.paths = flags.paths;
  request.merge = flags.shard.merge;
  MOE_ASSIGN_OR_RETURN(request.shard, ShardOptionsOf(flags.shard));
  MOE_ASSIGN_OR_RETURN(const steps::StepOutcome outcome,
                       steps::RunRequest(request, context.progress));
  context.out << (flags.json ? base::FormatJson(outcome.report) : outcome.text);
  return kSuccess;
}

void AddInput(FlagSet& set, const steps::StepInputKind& input,
              std::string* path) {
  FlagSpec spec;
  spec.names = {input.flag};
  if (input.flag == steps::kModelPathFlag)
    spec.names.push_back(kModelPathAlias);
  spec.what = input.what;
  spec.required = input.required;
  spec.path = input.flag == steps::kModelPathFlag ||
                      input.source == steps::StepInputKind::kModel
                  ? Option::MODEL_PATH
                  : Option::INPUT_PATH;
  set.AddString(spec, path);
}

CommandAction DeclareStep(FlagSet& set, const steps::StepKind& kind) {
  const auto flags = std::make_shared<StepFlags>(kind);
  for (const steps::StepInputKind& input : kind.inputs) {
    AddInput(set, input, &flags->paths[input.flag]);
  }
  steps::StepRequest& request = flags->request;
  if (steps::Walks(kind)) {
    set.AddOptions(&request.tokenize);
    set.AddOptions(&request.batch);
    AddMemoryBudget(set, &request.memory_budget);
  }
  if (request.options != nullptr) {
    set.AddOptions(request.options.get(), steps::OptionsLeftOut(kind));
  }
  if (kind.can_shard) AddShardFlags(set, &flags->shard);
  set.AddOptions(request.output.get());
  AddJson(set, &flags->json);
  return [flags](CommandContext& context) { return Run(*flags, context); };
}

// Breaks lines at spaces.
std::string Wrap(absl::string_view text) {
  constexpr size_t kColumns = 96;
  std::string wrapped;
  size_t column = 0;
  for (const absl::string_view word : absl::StrSplit(text, ' ')) {
    const bool fits = column + 1 + word.size() <= kColumns;
    if (column > 0) wrapped += fits ? " " : "\n";
    column = column > 0 && fits ? column + 1 + word.size() : word.size();
    absl::StrAppend(&wrapped, word);
  }
  return wrapped + "\n";
}

std::string Notes(const steps::StepKind& kind) {
  return Wrap(absl::StrCat(
      kind.notes,
      kind.can_shard
          ? " Several machines can share the work: each makes a part with "
            "--shards=N --shard=I, and --merge makes the artifact from all "
            "parts, with the very bytes of a single run."
          : "",
      " The bytes depend on the inputs and the flags alone: not on "
      "MOE_NUM_THREADS, the processor or --memory_budget. Exit status: 0, or 2 "
      "on an error."));
}

}  // namespace

Command StepCommand(const steps::StepKind& kind) {
  return {.name = kind.name,
          .summary = kind.summary,
          .section = kind.is_helper ? CommandSection::kHelper
                                    : CommandSection::kPipeline,
          .notes = Notes(kind),
          .declare = [&kind](FlagSet& set) { return DeclareStep(set, kind); }};
}

std::vector<Command> AllCommands() {
  std::vector<Command> commands;
  for (const steps::StepKind& kind : steps::AllSteps())
    commands.push_back(StepCommand(kind));
  for (const Command& command :
       {RunCommand(), TokenizeCommand(), InspectCommand(), DiffCommand(),
        DigestCommand(), VerifyCommand(), ReportCommand(), RunStepCommand()}) {
    commands.push_back(command);
  }
  return commands;
}

int RunLlamaMoe(const std::vector<std::string>& args, std::ostream& out,
                std::ostream& err) {
  const std::vector<Command> commands = AllCommands();
  return RunCommandLine(commands, args, out, err);
}

}  // namespace moe::cli
