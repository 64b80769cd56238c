// The report of an experiment as files.

#ifndef MOE_EXPERIMENT_REPORT_WRITE_REPORT_H_
#define MOE_EXPERIMENT_REPORT_WRITE_REPORT_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "moe/base/json.h"

namespace moe {

inline constexpr char kReportJson[] = "report.json";
inline constexpr char kReportHtml[] = "report.html";

// Makes the directory with report.json and report.html, whole or not at all.
// AlreadyExists if it is there; with `overwrite` it is replaced, but
// InvalidArgument unless it is empty or holds such a report.
absl::Status WriteExperimentReport(const Json& report,
                                   absl::string_view directory, bool overwrite);

}  // namespace moe

#endif  // MOE_EXPERIMENT_REPORT_WRITE_REPORT_H_
