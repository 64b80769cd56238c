// One step of an experiment: run, recorded, and recognized when it is there.
//
// A step runs the request that its plan holds. It makes what its command makes
// (WordsOf).

#ifndef MOE_EXPERIMENT_STEP_RUNNER_H_
#define MOE_EXPERIMENT_STEP_RUNNER_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "moe/base/progress.h"
#include "moe/experiment/experiment_inputs.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/step_plan.h"
#include "moe/experiment/step_timing.pb.h"
#include "moe/steps/step_kind.h"

namespace moe::experiment {

// "DIR/router.timing.textproto", beside the directory "DIR/router".
std::string TimingPath(absl::string_view step_directory);

// Starts when it is made. The processor's time and the memory are those of the
// whole process, so steps are measured one after the other.
class StepStopwatch {
 public:
  StepStopwatch();

  // From the start to now. num_threads is what MOE_NUM_THREADS or the machine
  // gives, simd_target what kernels run on.
  StepTiming Read() const;

 private:
  absl::Time start_;
  double cpu_seconds_;
  bool has_peak_;
};

// Adds a part's time to that of the whole, which is `total`.
void AddPart(const StepTiming& part, StepTiming& total);

absl::Status WriteTiming(const StepTiming& timing, absl::string_view path);

// Nothing if there is no such file or it cannot be read: timings are for people
// only.
std::optional<StepTiming> ReadTiming(absl::string_view path);

// Runs a request.
using StepExecutor =
    std::function<absl::Status(const steps::StepRequest& request)>;

struct StepContext {
  ExperimentInputs& inputs;
  const StepExecutor& execute;
  base::Progress& progress;
  // --memory_budget of the steps that walk over a model; empty for the
  // command's own. No result depends on it.
  std::string memory_budget = {};
  // Called when the step's directory is there, before its record is: a step
  // without a record is run again.
  std::function<absl::Status()> before_record = nullptr;
};

// What the step's result follows from: its lock without files and metrics.
absl::StatusOr<StepLock> DescribeStep(const PlannedStep& step,
                                      ExperimentInputs& inputs);

// The step's request with its paths; it is to write to `directory`.
absl::StatusOr<steps::StepRequest> RequestOf(const PlannedStep& step,
                                             absl::string_view directory,
                                             const StepContext& context);

// The record beside `directory`, if the step was done: under this numerics
// contract, from what `description` says, and its files still are what they
// were. Nothing otherwise, whatever lies there.
std::optional<StepRecord> FindFinishedStep(const StepLock& description,
                                           absl::string_view directory,
                                           base::Progress& progress);

// OK if a step may write to `directory`: nothing is there, or an empty
// directory, or what a step made before and nothing else; it is apart from
// model and data, and the record beside it, if there is one, is a step's.
absl::Status CheckStepTarget(absl::string_view directory,
                             const ExperimentInputs::Places& places);

// Runs the step beside `directory`, puts the result in the place of what is
// there (CheckStepTarget), and writes the record beside it last. The errors of
// the command; DataLoss if it did not make what its step makes, or if model or
// data changed meanwhile.
absl::StatusOr<StepRecord> RunStep(const PlannedStep& step,
                                   absl::string_view directory,
                                   const StepContext& context);

// What the same step of another experiment made, at `from`, copied with its
// record. The two may have different names. InvalidArgument, with what differs,
// unless the command, what it reads, arguments and numerics contract are the
// same; DataLoss if a file is not what its record says.
absl::StatusOr<StepRecord> TakeStep(const PlannedStep& step,
                                    absl::string_view from,
                                    absl::string_view directory,
                                    const StepContext& context);

struct StepShard {
  int64_t num_shards = 1;
  int64_t shard = 0;
};
// Makes a part, at `directory`, without a record. InvalidArgument unless the
// step's kind can_shard.
absl::Status RunStepShard(const PlannedStep& step, const StepShard& shard,
                          absl::string_view directory,
                          const StepContext& context);

// RunStep from the parts: directory i of `parts` was made by shard i of as many
// as there are. The record is that of RunStep.
absl::StatusOr<StepRecord> MergeStepShards(
    const PlannedStep& step, const std::vector<std::string>& parts,
    absl::string_view directory, const StepContext& context);

}  // namespace moe::experiment

#endif  // MOE_EXPERIMENT_STEP_RUNNER_H_
