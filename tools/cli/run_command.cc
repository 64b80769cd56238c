#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "moe/base/options/option.pb.h"
#include "moe/base/status_macros.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/experiment_result.h"
#include "moe/experiment/experiment_runner.h"
#include "moe/experiment/lock_report.h"
#include "moe/experiment/report/experiment_report.h"
#include "moe/experiment/step_cost.h"
#include "moe/experiment/step_plan.h"
#include "moe/experiment/step_runner.h"
#include "moe/experiment/text_proto.h"
#include "moe/steps/step_kind.h"
#include "moe/steps/walk_session.h"
#include "tools/cli/command.h"
#include "tools/cli/commands.h"
#include "tools/cli/common_flags.h"
#include "tools/cli/experiment_flags.h"
#include "tools/cli/flag_set.h"

namespace moe::cli {
namespace {

struct RunFlags {
  ExperimentFlags experiment;
  std::string save_path;
  std::string lock;
  std::string memory_budget;
  bool dry_run = false;
};

// Writes a line when a step starts, and one when it is done.
experiment::StepObserver Observer(CommandContext& context) {
  return [&context](const experiment::StepEvent& event) {
    if (event.record == nullptr) {
      context.out << absl::StrFormat("[%d/%d] %s: %s\n", event.number,
                                     event.num_steps, event.step.name,
                                     event.step.command());
    } else {
      context.out << "  "
                  << (event.was_there
                          ? "was there already"
                          : absl::FormatDuration(absl::Trunc(
                                event.elapsed, absl::Milliseconds(1))))
                  << ": " << experiment::SummarizeStep(event.record->step())
                  << "\n";
    }
    context.out.flush();
  };
}

absl::StatusOr<int> DryRun(const RunFlags& flags, const ReadExperiment& read,
                           CommandContext& context) {
  MOE_ASSIGN_OR_RETURN(
      const std::vector<steps::StepCost> costs,
      experiment::EstimateSteps(read.spec, flags.experiment.Places(),
                                context.progress));
  const std::string save_path =
      flags.save_path.empty() ? "SAVE_PATH" : flags.save_path;
  experiment::ExperimentInputs inputs(flags.experiment.Places(),
                                      context.progress);
  const experiment::StepExecutor none;
  const experiment::StepContext step_context = {inputs, none, context.progress,
                                                flags.memory_budget};
  for (const experiment::PlannedStep& step : read.steps) {
    const std::string directory = absl::StrCat(save_path, "/", step.name);
    MOE_ASSIGN_OR_RETURN(const steps::StepRequest request,
                         experiment::RequestOf(step, directory, step_context));
    context.out << step.name << ":\n  llama_moe "
                << absl::StrJoin(steps::WordsOf(request), " \\\n    ") << "\n";
    StepRecord record;
    record.mutable_step()->set_name(step.name);
    inputs.AddStep(directory, record);
  }
  context.out << experiment::FormatCosts(costs);
  return kSuccess;
}

absl::Status CheckFlags(const RunFlags& flags) {
  MOE_RETURN_IF_ERROR(steps::MemoryBudgetOf(flags.memory_budget).status());
  if (flags.dry_run || !flags.save_path.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "--save_path is missing, the directory for the results; only --dry_run "
      "needs none");
}

absl::StatusOr<int> Run(const RunFlags& flags, CommandContext& context) {
  MOE_RETURN_IF_ERROR(CheckFlags(flags));
  MOE_ASSIGN_OR_RETURN(const ReadExperiment read,
                       ReadExperimentOfFlags(flags.experiment));
  MOE_ASSIGN_OR_RETURN(const std::optional<ExperimentLock> pinned,
                       LockOfFlag(flags.lock));
  if (flags.dry_run) return DryRun(flags, read, context);
  MOE_ASSIGN_OR_RETURN(
      const ExperimentLock found,
      experiment::RunExperiment(
          read.spec,
          {flags.experiment.Places(), flags.save_path, flags.memory_budget},
          InProcess(context.progress), Observer(context), context.progress));
  MOE_ASSIGN_OR_RETURN(const experiment::LockVerdict verdict,
                       experiment::JudgeResults(read.spec, pinned, found));
  context.out << experiment::FormatVerdict(read.spec, verdict, found,
                                           flags.save_path);
  const std::string report =
      absl::StrCat(flags.save_path, "/", experiment::kReportDirectory);
  MOE_RETURN_IF_ERROR(WriteReport(
      {read.spec, found, pinned, flags.experiment.experiment, flags.lock, "",
       flags.save_path, report, /*overwrite=*/true}));
  context.out << "report: " << report << "/" << experiment::kReportHtml << "\n";
  return verdict.Passed() ? kSuccess : kDiffers;
}

CommandAction DeclareRun(FlagSet& set) {
  const auto flags = std::make_shared<RunFlags>();
  AddExperimentFlags(set, &flags->experiment);
  set.AddString({.names = {"save_path"},
                 .what = "directory for the results; a run that was broken off "
                         "goes on there",
                 .path = Option::OUTPUT_FOLDER},
                &flags->save_path);
  set.AddString({.names = {"lock"},
                 .what = "hold the results to this lock, a .textproto file",
                 .path = Option::INPUT_PATH},
                &flags->lock);
  AddMemoryBudget(set, &flags->memory_budget);
  set.AddBool({.names = {"dry_run"},
               .what = "print every step's command and what it is estimated "
                       "to cost, and run none"},
              &flags->dry_run);
  return [flags](CommandContext& context) { return Run(*flags, context); };
}

}  // namespace

Command RunCommand() {
  return {
      .name = "run",
      .summary = "runs a whole experiment on a checkpoint and a dataset",
      .section = CommandSection::kPipeline,
      .notes =
          "Each step is the command that --dry_run prints. What a step has "
          "made lies in --save_path under\nthe step's name, and a record "
          "of it beside: a step whose inputs, options and files are as\n"
          "recorded is not run again. The report, report/report.html, and "
          "report.json beside it, come last. Exit status: 0; 1 if the results "
          "are not those of --lock, or do not\nmeet the spec's criteria; "
          "2 on an error.\n",
      .declare = DeclareRun};
}

}  // namespace moe::cli
