// What the commands that run or read experiments share.

#ifndef TOOLS_CLI_EXPERIMENT_FLAGS_H_
#define TOOLS_CLI_EXPERIMENT_FLAGS_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
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

  experiment::ExperimentInputs::Places Places() const {
    return {model_path, dataset};
  }
};

// --experiment, --model_path, --dataset_dir_or_path, all required.
void AddExperimentFlags(FlagSet& flags, ExperimentFlags* values);

struct ReadExperiment {
  ExperimentSpec spec;
  std::vector<experiment::PlannedStep> steps;
};
// Reads and validates the spec, and plans its steps. An error names the file.
absl::StatusOr<ReadExperiment> ReadExperimentOfFlags(
    const ExperimentFlags& flags);

// Reads and validates the lock at `path`. Returns nothing if `path` is empty.
absl::StatusOr<std::optional<ExperimentLock>> LockOfFlag(
    const std::string& path);

// Runs steps in this process. An error begins with the step's command.
experiment::StepExecutor InProcess(base::Progress& progress);

struct ExperimentReportRequest {
  const ExperimentSpec& spec;
  const ExperimentLock& found;
  const std::optional<ExperimentLock>& pinned;
  // The paths of the spec and of the lock. `lock` may be empty. The report has
  // their names without folders.
  std::string experiment;
  std::string lock;
  std::string target;  // "//experiments:gsp_vanilla"; may be empty.
  std::string results;
  std::string save_path;
  bool overwrite = false;
};

// Writes save_path/report.html and report.json. Returns the errors of
// ExperimentReportToJson and WriteExperimentReport.
absl::Status WriteReport(const ExperimentReportRequest& request);

}  // namespace moe::cli

#endif  // TOOLS_CLI_EXPERIMENT_FLAGS_H_
