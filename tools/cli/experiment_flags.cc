#include "tools/cli/experiment_flags.h"

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "moe/base/options/option.pb.h"
#include "moe/base/progress.h"
#include "moe/base/status_macros.h"
#include "moe/experiment/acceptance.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/experiment_spec.pb.h"
#include "moe/experiment/lock_report.h"
#include "moe/experiment/step_plan.h"
#include "moe/experiment/step_runner.h"
#include "moe/experiment/text_proto.h"
#include "moe/steps/step_kind.h"
#include "tools/cli/common_flags.h"
#include "tools/cli/flag_set.h"

namespace moe::cli {

void AddExperimentFlags(FlagSet& flags, ExperimentFlags* values) {
  flags.AddString({.names = {"experiment"},
                   .what = "the experiment's spec, a .textproto file",
                   .required = true,
                   .path = Option::INPUT_PATH},
                  &values->experiment);
  AddModelPath(flags, "directory of the dense checkpoint", "",
               &values->model_path);
  flags.AddString({.names = {"dataset_dir_or_path"},
                   .what = "the data: a file of JSON lines, a directory of "
                           "them, or a token artifact",
                   .required = true,
                   .path = Option::INPUT_PATH},
                  &values->dataset);
}

absl::StatusOr<ReadExperiment> ReadExperimentOfFlags(
    const ExperimentFlags& flags) {
  ReadExperiment read;
  MOE_ASSIGN_OR_RETURN(read.spec,
                       ReadTextProto<ExperimentSpec>(flags.experiment));
  absl::StatusOr<std::vector<PlannedStep>> steps = PlanSteps(read.spec);
  if (!steps.ok()) return Annotate(steps.status(), flags.experiment);
  MOE_RETURN_IF_ERROR(Annotate(ValidateCriteria(read.spec), flags.experiment));
  read.steps = *std::move(steps);
  return read;
}

absl::StatusOr<std::optional<ExperimentLock>> LockOfFlag(
    const std::string& path) {
  if (path.empty()) return std::nullopt;
  return ReadLock(path);
}

StepExecutor InProcess(Progress& progress) {
  return [&progress](const StepRequest& request) {
    return Annotate(RunRequest(request, progress).status(), request.kind->name);
  };
}

}  // namespace moe::cli
