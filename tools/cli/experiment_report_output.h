// The report of an experiment, as the commands write it.

#ifndef TOOLS_CLI_EXPERIMENT_REPORT_OUTPUT_H_
#define TOOLS_CLI_EXPERIMENT_REPORT_OUTPUT_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/experiment_spec.pb.h"

namespace moe::cli {

struct ExperimentReportRequest {
  const ExperimentSpec& spec;
  const ExperimentLock& found;
  const std::optional<ExperimentLock>& pinned;
  // Paths of the spec and of the lock, which may be empty. Their names without
  // folders go into the report.
  std::string experiment;
  std::string lock;
  std::string target;  // "//experiments:gsp_vanilla"; may be empty.
  std::string results;
  std::string save_path;
  bool overwrite = false;
};

// Writes save_path/report.html and report.json. Errors of
// ExperimentReportToJson and WriteExperimentReport.
absl::Status WriteReport(const ExperimentReportRequest& request);

}  // namespace moe::cli

#endif  // TOOLS_CLI_EXPERIMENT_REPORT_OUTPUT_H_
