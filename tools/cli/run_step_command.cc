#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "moe/base/options/option.pb.h"
#include "moe/base/status_macros.h"
#include "moe/experiment/experiment_inputs.h"
#include "moe/experiment/step_plan.h"
#include "moe/experiment/step_runner.h"
#include "moe/experiment/step_timing.pb.h"
#include "moe/experiment/text_proto.h"
#include "moe/model/walk/shard_options.pb.h"
#include "moe/steps/walk_session.h"
#include "tools/cli/command.h"
#include "tools/cli/commands.h"
#include "tools/cli/common_flags.h"
#include "tools/cli/experiment_flags.h"
#include "tools/cli/flag_set.h"

namespace moe::cli {
namespace {

struct RunStepFlags {
  ExperimentFlags experiment;
  std::string step;
  std::vector<std::string> made;
  std::string save_path;
  std::optional<int64_t> num_shards;
  std::optional<int64_t> shard;
  std::vector<std::string> merge;
  std::string take;
  std::string memory_budget;
  std::string timing_out;
};

// "NAME=DIR" of --made.
absl::Status ReadMade(const std::string& made,
                      experiment::ExperimentInputs& inputs) {
  const std::pair<std::string, std::string> parts =
      absl::StrSplit(made, absl::MaxSplits('=', 1));
  if (parts.first.empty() || parts.second.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--made: expected STEP=DIRECTORY, found \"", made, "\""));
  }
  return inputs.ReadStep(parts.first, parts.second);
}

absl::Status CheckTake(const RunStepFlags& flags) {
  if (flags.take.empty() ||
      (flags.merge.empty() && !flags.num_shards.has_value())) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      "--take: expected neither --shards nor --merge beside it, found one; "
      "leave it out, as nothing is made");
}

absl::Status Make(const RunStepFlags& flags, const ShardOptions& shard,
                  const experiment::PlannedStep& step,
                  const experiment::StepContext& context) {
  if (flags.num_shards.has_value()) {
    return experiment::RunStepShard(step, {shard.num_shards(), shard.shard()},
                                    flags.save_path, context);
  }
  if (!flags.take.empty()) {
    return experiment::TakeStep(step, flags.take, flags.save_path, context)
        .status();
  }
  if (!flags.merge.empty()) {
    return experiment::MergeStepShards(step, flags.merge, flags.save_path,
                                       context)
        .status();
  }
  return experiment::RunStep(step, flags.save_path, context).status();
}

// The time of this run, and of the parts whose timings lie beside them.
StepTiming TimingOf(const RunStepFlags& flags,
                    const experiment::StepStopwatch& stopwatch) {
  StepTiming timing = stopwatch.Read();
  timing.set_taken(!flags.take.empty());
  for (const std::string& part : flags.merge) {
    const std::optional<StepTiming> part_timing =
        experiment::ReadTiming(experiment::TimingPath(part));
    if (part_timing.has_value()) experiment::AddPart(*part_timing, timing);
  }
  return timing;
}

absl::StatusOr<int> Run(const RunStepFlags& flags, CommandContext& context) {
  MOE_RETURN_IF_ERROR(steps::MemoryBudgetOf(flags.memory_budget).status());
  MOE_ASSIGN_OR_RETURN(
      const ShardOptions shard,
      ShardOptionsOf({flags.num_shards, flags.shard, flags.merge}));
  MOE_ASSIGN_OR_RETURN(const ReadExperiment read,
                       ReadExperimentOfFlags(flags.experiment));
  MOE_ASSIGN_OR_RETURN(const experiment::PlannedStep step,
                       experiment::FindStep(read.steps, flags.step));
  experiment::ExperimentInputs inputs(flags.experiment.Places(),
                                      context.progress);
  for (const std::string& made : flags.made) {
    MOE_RETURN_IF_ERROR(ReadMade(made, inputs));
  }
  const experiment::StepExecutor execute = InProcess(context.progress);
  const experiment::StepContext step_context = {
      inputs, execute, context.progress, flags.memory_budget};
  MOE_RETURN_IF_ERROR(CheckTake(flags));
  if (!flags.timing_out.empty()) {
    MOE_RETURN_IF_ERROR(
        experiment::CheckIsTextProto(StepTiming(), flags.timing_out));
  }
  const experiment::StepStopwatch stopwatch;
  MOE_RETURN_IF_ERROR(Make(flags, shard, step, step_context));
  if (!flags.timing_out.empty()) {
    MOE_RETURN_IF_ERROR(
        experiment::WriteTiming(TimingOf(flags, stopwatch), flags.timing_out));
  }
  return kSuccess;
}

CommandAction DeclareRunStep(FlagSet& set) {
  const auto flags = std::make_shared<RunStepFlags>();
  AddExperimentFlags(set, &flags->experiment);
  set.AddString(
      {.names = {"step"}, .what = "name of the step to run", .required = true},
      &flags->step);
  set.AddStrings({.names = {"made"},
                  .what = "STEP=DIRECTORY: what an earlier step has made, with "
                          "its record beside",
                  .path = Option::NAMED_INPUT_PATH},
                 &flags->made);
  set.AddString({.names = {"save_path"},
                 .what = "directory for what the step makes, which is replaced",
                 .required = true,
                 .path = Option::OUTPUT_DIRECTORY},
                &flags->save_path);
  set.AddInt(
      {.names = {"shards"}, .what = "make one of so many parts; needs --shard"},
      {.min = 1}, &flags->num_shards);
  set.AddInt(
      {.names = {"shard"}, .what = "which part to make: 0 to --shards less 1"},
      {.min = 0}, &flags->shard);
  set.AddStrings({.names = {"merge"},
                  .what = "directories of all parts, in their order, to make "
                          "the step's result from",
                  .path = Option::INPUT_PATH},
                 &flags->merge);
  set.AddString({.names = {"take"},
                 .what = "directory of the same step of another experiment, "
                         "to copy; an error if it was made otherwise",
                 .path = Option::INPUT_PATH},
                &flags->take);
  AddMemoryBudget(set, &flags->memory_budget);
  set.AddString({.names = {"timing_out"},
                 .what = "write how long it took to this file; no step reads "
                         "it",
                 .path = Option::OUTPUT_FILE},
                &flags->timing_out);
  return [flags](CommandContext& context) { return Run(*flags, context); };
}

}  // namespace

Command RunStepCommand() {
  return {.name = "run_step",
          .summary = "runs one step of an experiment, for a build system",
          .notes =
              "Replaces what is at --save_path, and writes a record beside it: "
              "SAVE_PATH.record.textproto. A\npart has no record. Prints "
              "nothing. Exit status: 0, or 2 on an error.\n",
          .declare = DeclareRunStep};
}

}  // namespace moe::cli
