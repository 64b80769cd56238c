// The steps of an experiment, their inputs and files, compared with the lock,
// as JSON.

#ifndef MOE_EXPERIMENT_REPORT_LOCK_SECTION_H_
#define MOE_EXPERIMENT_REPORT_LOCK_SECTION_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/json.h"
#include "moe/base/progress.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/experiment_result.h"
#include "moe/experiment/experiment_spec.pb.h"
#include "moe/experiment/lock_report.h"

namespace moe::experiment {

// {"status", "first_diverged", "likely_causes", "differences": [{"what",
// "pinned", "found"}]}. The status is "verified"; "differs"; "empty" where
// nothing is pinned in the lock; or "none" where there is no lock.
base::Json LockToJson(const LockVerdict& verdict);

// {"spec": {"name", "sha256"}, "model", "data"}: the last two each {"name",
// "sha256", "files": [{"name", "bytes", "sha256"}]}. The digest is that of the
// files, as DigestOfFiles has it; where `found` does not list them, the model's
// is what steps read, and null if none did.
base::Json InputsToJson(const ExperimentSpec& spec,
                        const ExperimentLock& found);

// [{"name", "command", "status", "arguments", "inputs", "files", "reports",
// "timing"}]. The status is StepStatus's; reports are the files that tell about
// the step and are not pinned; timing is null where it is not known. `results`
// is where the records lie; one that cannot be read has no reports.
base::Json StepsToJson(const LockVerdict& verdict, const ExperimentLock& found,
                       absl::string_view results);

// LockOfResults, where neither model nor data have to be there: their files are
// those that one of the `known` locks lists, the first whose files have the
// digests that the steps recorded. Where none does, they are not listed. What
// the steps made is read, as ever. Errors of LockOfSteps.
absl::StatusOr<ExperimentLock> RecordedLock(
    const ExperimentSpec& spec, absl::string_view directory,
    absl::Span<const ExperimentLock> known, base::Progress& progress);

}  // namespace moe::experiment

#endif  // MOE_EXPERIMENT_REPORT_LOCK_SECTION_H_
