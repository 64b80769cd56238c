// What the commands that run or look at experiments have in common.

#ifndef TOOLS_CLI_EXPERIMENT_FLAGS_H_
#define TOOLS_CLI_EXPERIMENT_FLAGS_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "moe/base/progress.h"
#include "moe/experiment/experiment_inputs.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/experiment_spec.pb.h"
#include "moe/experiment/step_plan.h"
#include "moe/experiment/step_runner.h"
#include "tools/cli/flag_set.h"

namespace moe::cli {

struct ExperimentFlags {
  std::string experiment;
  std::string model_path;
  std::string dataset;

  ExperimentInputs::Places Places() const { return {model_path, dataset}; }
};

// --experiment, --model_path, --dataset_dir_or_path, all required.
void AddExperimentFlags(FlagSet& flags, ExperimentFlags* values);

struct ReadExperiment {
  ExperimentSpec spec;
  std::vector<PlannedStep> steps;
};
// The spec, valid, and its steps. An error names the file.
absl::StatusOr<ReadExperiment> ReadExperimentOfFlags(
    const ExperimentFlags& flags);

// The lock in a file, valid; nothing where the flag that names it was not
// given.
absl::StatusOr<std::optional<ExperimentLock>> LockOfFlag(
    const std::string& path);

// Runs steps here. An error has the step's command in front.
StepExecutor InProcess(Progress& progress);

}  // namespace moe::cli

#endif  // TOOLS_CLI_EXPERIMENT_FLAGS_H_
