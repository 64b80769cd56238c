// The result of an experiment, in the form of its lock, and how it differs from
// a pinned lock.

#ifndef MOE_EXPERIMENT_EXPERIMENT_RESULT_H_
#define MOE_EXPERIMENT_EXPERIMENT_RESULT_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/base/progress.h"
#include "moe/experiment/experiment_inputs.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/experiment_spec.pb.h"

namespace moe::experiment {

// SHA-256, in hexadecimal, of the spec without its description and whatever its
// text's form and comments are.
std::string SpecDigest(const ExperimentSpec& spec);

// OK, or InvalidArgument with the field: a lock holds digests of 64 hexadecimal
// digits, names, and each step once. An empty lock is valid: it is that of an
// experiment that is not pinned yet.
absl::Status ValidateExperimentLock(const ExperimentLock& lock);
bool IsPinned(const ExperimentLock& lock);

// The lock of the results in `directory`, where each step's record lies beside
// what it made. Reads everything that was made: DataLoss, with the path, for a
// file that is not what its record says. Errors of ReadTextProto for a missing
// record; InvalidArgument for one of another numerics contract.
absl::StatusOr<ExperimentLock> LockOfResults(const ExperimentSpec& spec,
                                             absl::string_view directory,
                                             ExperimentInputs& inputs,
                                             base::Progress& progress);

// The same without the files of the model and of the data, for which neither
// has to be there.
absl::StatusOr<ExperimentLock> LockOfSteps(const ExperimentSpec& spec,
                                           absl::string_view directory,
                                           base::Progress& progress);

// One thing that is not as it was pinned.
struct LockDifference {
  std::string what;  // "scores: importance_scores.safetensors"
  std::string pinned;
  std::string found;
};

struct StepCheck {
  std::string name;
  // In what the step made. Empty where all is as pinned.
  std::vector<LockDifference> differences;
  // In its command, its arguments and the names of what it read.
  std::vector<LockDifference> origins;
  // The model or the data that it read are other ones.
  bool read_other_bytes = false;

  bool SameOrigin() const { return origins.empty() && !read_other_bytes; }
  bool Same() const { return differences.empty() && SameOrigin(); }
};

struct LockCheck {
  // Contract, spec, model, data.
  std::vector<LockDifference> inputs;
  // The steps that were found, in their order.
  std::vector<StepCheck> steps;
  // Pinned steps that were not found.
  std::vector<std::string> missing_steps;

  bool Same() const;
  // The first step that made something else; where none did, the first that
  // made the same from something else; empty for none.
  std::string FirstDiverged() const;
  // Likely causes, a sentence each: other inputs, other options of that step or
  // of an earlier one, or the program.
  std::vector<std::string> LikelyCauses() const;
};

// Both must be of the same experiment: InvalidArgument.
absl::StatusOr<LockCheck> CheckLock(const ExperimentLock& pinned,
                                    const ExperimentLock& found);

}  // namespace moe::experiment

#endif  // MOE_EXPERIMENT_EXPERIMENT_RESULT_H_
