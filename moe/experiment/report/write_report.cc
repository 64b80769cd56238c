#include "moe/experiment/report/write_report.h"

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "moe/base/atomic_write.h"
#include "moe/base/json.h"
#include "moe/base/status_macros.h"
#include "moe/experiment/report/report_page.h"

namespace moe {

absl::Status WriteExperimentReport(const Json& report,
                                   absl::string_view directory,
                                   bool overwrite) {
  AtomicDirectoryOptions options;
  options.kind = "report";
  options.overwrite = overwrite;
  MOE_ASSIGN_OR_RETURN(const std::unique_ptr<AtomicDirectoryWriter> writer,
                       AtomicDirectoryWriter::Create(directory, options));
  MOE_RETURN_IF_ERROR(writer->WriteFile(kReportJson, FormatJson(report)));
  MOE_RETURN_IF_ERROR(writer->WriteFile(kReportHtml, FormatReportPage(report)));
  return writer->Commit();
}

}  // namespace moe
