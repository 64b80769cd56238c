// Compares the results of an experiment with its lock, for a person.

#ifndef MOE_EXPERIMENT_LOCK_REPORT_H_
#define MOE_EXPERIMENT_LOCK_REPORT_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/experiment_result.h"
#include "moe/experiment/experiment_spec.pb.h"
#include "moe/experiment/metrics.h"

namespace moe::experiment {

// Reads and validates a lock file. A file with nothing but comments is the lock
// of an experiment that is not pinned.
absl::StatusOr<ExperimentLock> ReadLock(const std::string& path);
absl::Status WriteLock(const ExperimentLock& lock, const std::string& path);

struct LockVerdict {
  // Nothing where there is no lock to hold the results to.
  std::optional<LockCheck> check;
  // A lock was given, and nothing is pinned in it.
  bool lock_is_empty = false;
  std::vector<CriterionResult> criteria;

  bool Passed() const;
};

// Errors of CheckLock and CheckCriteria.
absl::StatusOr<LockVerdict> JudgeResults(
    const ExperimentSpec& spec, const std::optional<ExperimentLock>& pinned,
    const ExperimentLock& found);

// "verified"; "DIFFERS"; "CHANGED" where it made the same from something else;
// "made" where there is no lock.
absl::string_view StepStatus(const LockVerdict& verdict,
                             absl::string_view step);

// "gate_weights.safetensors 4f3a...": each pinned file with the beginning of
// its digest, or how many files there are and the digest of all; the metrics.
std::string SummarizeStep(const StepLock& step);

// A line for each step, "verified", "DIFFERS", or "CHANGED" where it made the
// same from something else; then what differs, which step diverged first and
// why that may be, the criteria, and where the last checkpoint lies.
std::string FormatVerdict(const ExperimentSpec& spec,
                          const LockVerdict& verdict,
                          const ExperimentLock& found,
                          absl::string_view results);

}  // namespace moe::experiment

#endif  // MOE_EXPERIMENT_LOCK_REPORT_H_
