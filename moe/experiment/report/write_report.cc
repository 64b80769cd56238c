#include "moe/experiment/report/write_report.h"

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/atomic_write.h"
#include "moe/base/random_access_file.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/json.h"
#include "moe/experiment/report/html_section.h"
#include "moe/experiment/report/report_page.h"

namespace moe {
namespace {

constexpr uint64_t kMaxReportBytes = uint64_t{256} << 20;

absl::Status CheckIsReport(absl::string_view path) {
  const absl::StatusOr<std::string> text =
      ReadFile(absl::StrCat(path, "/", kReportJson), kMaxReportBytes);
  if (text.ok()) {
    const absl::StatusOr<Json> report = ParseJsonObject(*text);
    if (report.ok() && TextIn(*report, "report") == "experiment") {
      return absl::OkStatus();
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat(path,
                   " holds something else than the report of an experiment, "
                   "and is not replaced; choose another directory"));
}

}  // namespace

absl::Status WriteExperimentReport(const Json& report,
                                   absl::string_view directory,
                                   bool overwrite) {
  AtomicDirectoryOptions options;
  options.overwrite = overwrite;
  options.check_replaceable = CheckIsReport;
  MOE_ASSIGN_OR_RETURN(const std::unique_ptr<AtomicDirectoryWriter> writer,
                       AtomicDirectoryWriter::Create(directory, options));
  MOE_RETURN_IF_ERROR(writer->WriteFile(kReportJson, FormatJson(report)));
  MOE_RETURN_IF_ERROR(writer->WriteFile(kReportHtml, FormatReportPage(report)));
  return writer->Commit();
}

}  // namespace moe
