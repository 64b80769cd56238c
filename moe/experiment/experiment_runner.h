// A whole experiment outside the build: every step, into one directory.
//
//   SAVE_PATH/experiment.textproto    the spec
//   SAVE_PATH/router/                 what step "router" has made
//   SAVE_PATH/router.record.textproto and what that is, from what
//   SAVE_PATH/router.timing.textproto and what it took; of no result
//   SAVE_PATH/lock.textproto          what the experiment has come to
//   SAVE_PATH/report/                 is left to who writes the report
//
// An interrupted run continues when it is started again. It does not repeat a
// step whose record says that it was made from the same bytes by the same
// options, and whose files are unchanged.

#ifndef MOE_EXPERIMENT_EXPERIMENT_RUNNER_H_
#define MOE_EXPERIMENT_EXPERIMENT_RUNNER_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "moe/base/progress.h"
#include "moe/experiment/experiment_inputs.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/experiment_spec.pb.h"
#include "moe/experiment/step_plan.h"
#include "moe/experiment/step_runner.h"

namespace moe::experiment {

inline constexpr char kSpecFile[] = "experiment.textproto";
inline constexpr char kResultLockFile[] = "lock.textproto";

// What the observer is told, when a step starts and when it is done.
struct StepEvent {
  int64_t number = 0;  // From 1.
  int64_t num_steps = 0;
  const PlannedStep& step;
  // Null when it starts.
  const StepRecord* record = nullptr;
  bool was_there = false;
  absl::Duration elapsed = absl::ZeroDuration();
};
using StepObserver = std::function<void(const StepEvent&)>;

struct ExperimentRun {
  ExperimentInputs::Places places;
  std::string save_path;
  std::string memory_budget = {};  // As in StepContext.
};

// Runs the steps and returns the lock, which it also writes. InvalidArgument if
// the spec is not valid, or `save_path` is a directory that holds something
// else than results of an experiment of this name; FailedPrecondition if
// another run works there. A step's error has its name in front.
absl::StatusOr<ExperimentLock> RunExperiment(const ExperimentSpec& spec,
                                             const ExperimentRun& run,
                                             const StepExecutor& execute,
                                             const StepObserver& observe,
                                             base::Progress& progress);

}  // namespace moe::experiment

#endif  // MOE_EXPERIMENT_EXPERIMENT_RUNNER_H_
