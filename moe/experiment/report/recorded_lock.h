// The lock of results without the model and the data that they came from.

#ifndef MOE_EXPERIMENT_REPORT_RECORDED_LOCK_H_
#define MOE_EXPERIMENT_REPORT_RECORDED_LOCK_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/progress.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/experiment_spec.pb.h"

namespace moe {

// LockOfResults, where neither model nor data have to be there: their files are
// those that one of the `known` locks lists, the first whose files have the
// digests that the steps recorded. Where none does, they are not listed. What
// the steps made is read, as ever. Errors of LockOfSteps.
absl::StatusOr<ExperimentLock> RecordedLock(
    const ExperimentSpec& spec, absl::string_view directory,
    absl::Span<const ExperimentLock> known, Progress& progress);

}  // namespace moe

#endif  // MOE_EXPERIMENT_REPORT_RECORDED_LOCK_H_
