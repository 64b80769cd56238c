#include "moe/experiment/experiment_runner.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "moe/base/file_system.h"
#include "moe/base/progress.h"
#include "moe/base/status_macros.h"
#include "moe/experiment/experiment_inputs.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/experiment_result.h"
#include "moe/experiment/experiment_spec.pb.h"
#include "moe/experiment/metrics.h"
#include "moe/experiment/step_plan.h"
#include "moe/experiment/step_runner.h"
#include "moe/experiment/step_timing.pb.h"
#include "moe/experiment/text_proto.h"

namespace moe::experiment {
namespace {

// A mistyped path must not cost anyone a directory of something else.
absl::Status CheckSavePath(const ExperimentSpec& spec,
                           const std::string& path) {
  MOE_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                       base::ListDirectory(path));
  if (names.empty()) return absl::OkStatus();
  const std::string there = absl::StrCat(path, "/", kSpecFile);
  if (!base::PathExists(there)) {
    return absl::InvalidArgumentError(absl::StrCat(
        path,
        ": expected a new or an empty directory, or results of an experiment, "
        "found other files and no ",
        kSpecFile, "; choose another directory"));
  }
  MOE_ASSIGN_OR_RETURN(const ExperimentSpec other,
                       ReadTextProto<ExperimentSpec>(there));
  if (other.name() == spec.name()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      path, ": expected results of experiment \"", spec.name(),
      "\", found those of \"", other.name(), "\"; choose another directory"));
}

absl::StatusOr<std::unique_ptr<base::PathLock>> TakeSavePath(
    const ExperimentSpec& spec, const std::string& path) {
  const auto write_spec = [&] {
    return WriteTextProto(spec, "# The experiment of this folder.\n",
                          absl::StrCat(path, "/", kSpecFile));
  };
  // Writing makes the directory, and those above it.
  if (!base::PathExists(path)) MOE_RETURN_IF_ERROR(write_spec());
  MOE_ASSIGN_OR_RETURN(std::unique_ptr<base::PathLock> lock,
                       base::PosixFileSystem().TryLock(path));
  if (lock == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("another run works in ", path, "; wait for its end"));
  }
  MOE_RETURN_IF_ERROR(CheckSavePath(spec, path));
  const absl::StatusOr<ExperimentSpec> there =
      ReadTextProto<ExperimentSpec>(absl::StrCat(path, "/", kSpecFile));
  if (there.ok() && FormatTextProto(*there) == FormatTextProto(spec)) {
    return lock;
  }
  MOE_RETURN_IF_ERROR(write_spec());
  return lock;
}

// The timing is there before the record, so that no step that is done has none.
// An older one is gone before, as it would stand beside another run's result.
absl::StatusOr<StepRecord> RunTimed(const PlannedStep& step,
                                    const std::string& directory,
                                    const StepContext& context) {
  MOE_RETURN_IF_ERROR(CheckStepTarget(directory, context.inputs.places()));
  const std::string timing_path = TimingPath(directory);
  MOE_RETURN_IF_ERROR(RemoveTextProto<StepTiming>(timing_path));
  const StepStopwatch stopwatch;
  StepContext timed = context;
  timed.before_record = [&] {
    return WriteTiming(stopwatch.Read(), timing_path);
  };
  return RunStep(step, directory, timed);
}

absl::Status RunOneStep(const PlannedStep& step, const std::string& directory,
                        const StepContext& context, const StepObserver& observe,
                        StepEvent event) {
  observe(event);
  const absl::Time start = absl::Now();
  MOE_ASSIGN_OR_RETURN(const StepLock description,
                       DescribeStep(step, context.inputs));
  std::optional<StepRecord> record =
      FindFinishedStep(description, directory, context.progress);
  event.was_there = record.has_value();
  if (!record.has_value()) {
    MOE_ASSIGN_OR_RETURN(record, RunTimed(step, directory, context));
  }
  context.inputs.AddStep(directory, *record);
  event.record = &*record;
  event.elapsed = absl::Now() - start;
  observe(event);
  return absl::OkStatus();
}

// Whether every step could write what it makes, asked before hours of work. A
// step that has a record may not have to.
absl::Status CheckStepTargets(const std::vector<PlannedStep>& steps,
                              const ExperimentRun& run) {
  for (const PlannedStep& step : steps) {
    const std::string directory = absl::StrCat(run.save_path, "/", step.name);
    if (base::PathExists(RecordPath(directory))) continue;
    MOE_RETURN_IF_ERROR(CheckStepTarget(directory, run.places));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ExperimentLock> RunExperiment(const ExperimentSpec& spec,
                                             const ExperimentRun& run,
                                             const StepExecutor& execute,
                                             const StepObserver& observe,
                                             base::Progress& progress) {
  MOE_ASSIGN_OR_RETURN(const std::vector<PlannedStep> steps, PlanSteps(spec));
  MOE_RETURN_IF_ERROR(ValidateCriteria(spec));
  MOE_RETURN_IF_ERROR(CheckStepTargets(steps, run));
  MOE_ASSIGN_OR_RETURN(const std::unique_ptr<base::PathLock> lock,
                       TakeSavePath(spec, run.save_path));
  ExperimentInputs inputs(run.places, progress);
  const StepContext context = {inputs, execute, progress, run.memory_budget};
  const auto num_steps = static_cast<int64_t>(steps.size());
  for (int64_t i = 0; i < num_steps; ++i) {
    const std::string directory =
        absl::StrCat(run.save_path, "/", steps[i].name);
    const absl::Status status = RunOneStep(
        steps[i], directory, context, observe, {i + 1, num_steps, steps[i]});
    if (!status.ok()) {
      return base::Annotate(status,
                            absl::StrCat("step \"", steps[i].name, "\""));
    }
  }
  MOE_RETURN_IF_ERROR(inputs.CheckUnchanged());
  MOE_ASSIGN_OR_RETURN(ExperimentLock result,
                       LockOfResults(spec, run.save_path, inputs, progress));
  MOE_RETURN_IF_ERROR(
      WriteTextProto(result, "# What the experiment has come to.\n",
                     absl::StrCat(run.save_path, "/", kResultLockFile)));
  return result;
}

}  // namespace moe::experiment
