// What steps have in common that write a checkpoint and a report of it.
//
// Their output is a ReportedCheckpointOutput; what they make has a
// CheckpointReportName.

#ifndef MOE_STEPS_CHECKPOINT_AND_REPORT_H_
#define MOE_STEPS_CHECKPOINT_AND_REPORT_H_

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "moe/base/json.h"
#include "moe/convert/conversion_plan.h"
#include "moe/steps/step_kind.h"
#include "moe/text/dataset/load_dataset.h"

namespace moe::steps {

// The errors of CheckOutputFile for --report_out, where it is given.
absl::Status CheckReportOutput(const StepRequest& request);

// Writes the checkpoint to where it is told to.
using WriteCheckpoint =
    absl::FunctionRef<absl::StatusOr<convert::WrittenCheckpoint>(
        const convert::ConversionOutput&)>;

struct ReportedCheckpoint {
  convert::WrittenCheckpoint written;
  base::Json
      report;  // That of --report_out, but with the path of the checkpoint.
};

// Writes the checkpoint, then --report_out where it is given: a signal ends the
// command before both are there or after. The report is {"artifact",
// "checkpoint"}, what AddWritten adds, `own`, and what WithDataset adds. The
// errors of ConversionOutputOf, `write` and WriteFileAtomically.
absl::StatusOr<ReportedCheckpoint> WriteCheckpointAndReport(
    const StepRequest& request, WriteCheckpoint write, const base::Json& own,
    const text::LoadedDataset& dataset);

}  // namespace moe::steps

#endif  // MOE_STEPS_CHECKPOINT_AND_REPORT_H_
