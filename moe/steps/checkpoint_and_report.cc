#include "moe/steps/checkpoint_and_report.h"

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "moe/base/atomic_write.h"
#include "moe/base/file_system.h"
#include "moe/base/json.h"
#include "moe/base/mutation_gate.h"
#include "moe/base/status_macros.h"
#include "moe/convert/conversion_plan.h"
#include "moe/convert/conversion_report.h"
#include "moe/steps/artifact_output.h"
#include "moe/steps/output_options.pb.h"
#include "moe/steps/step_kind.h"
#include "moe/text/dataset/load_dataset.h"

namespace moe::steps {
absl::Status CheckReportOutput(const StepRequest& request) {
  const auto& output = request.OutputAs<ReportedCheckpointOutput>();
  if (output.report_out().empty()) return absl::OkStatus();
  const std::string name(CheckpointReportName(request.kind->made));
  return CheckOutputFile(
      {"--report_out", output.report_out(), output.overwrite(),
       absl::StrCat("report of ", request.kind->name),
       absl::StrCat(name, ".report.json"),
       [name](const std::string& path) { return IsReportOf(path, name); }});
}

absl::StatusOr<ReportedCheckpoint> WriteCheckpointAndReport(
    const StepRequest& request, WriteCheckpoint write, const base::Json& own,
    const text::LoadedDataset& dataset) {
  const auto& output = request.OutputAs<ReportedCheckpointOutput>();
  const std::string& report_out = output.report_out();
  const std::string name(CheckpointReportName(request.kind->made));
  std::optional<base::MutationSection> section;
  MOE_ASSIGN_OR_RETURN(convert::ConversionOutput checkpoint,
                       ConversionOutputOf(output));
  // An older report is gone before the checkpoint is replaced, so that it never
  // stands beside another one.
  absl::Status removed;
  checkpoint.before_commit = [&] {
    section.emplace();
    if (output.overwrite() && IsReportOf(report_out, name)) {
      removed = base::PosixFileSystem().RemoveAll(report_out);
    }
  };
  ReportedCheckpoint made;
  MOE_ASSIGN_OR_RETURN(made.written, write(checkpoint));
  MOE_RETURN_IF_ERROR(removed);
  made.report["artifact"] = name;
  made.report["checkpoint"] = base::SplitPath(output.save_path()).name;
  convert::AddWritten(made.written, made.report);
  made.report.update(own);
  made.report = WithDataset(made.report, dataset);
  if (!report_out.empty()) {
    const std::string text = base::FormatJson(made.report);
    // What is there now is no older report: it may be a file of the checkpoint.
    MOE_RETURN_IF_ERROR(base::WriteFileAtomically(
        report_out, /*overwrite=*/false,
        [&](base::WritableFile& file) { return file.Append(text); }));
  }
  made.report["checkpoint"] = output.save_path();
  return made;
}

}  // namespace moe::steps
