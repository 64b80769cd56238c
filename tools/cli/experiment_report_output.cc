#include "tools/cli/experiment_report_output.h"

#include <algorithm>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "moe/base/file_system.h"
#include "moe/base/json.h"
#include "moe/base/status_macros.h"
#include "moe/experiment/report/experiment_report.h"
#include "moe/experiment/report/write_report.h"
#include "moe/steps/version.h"

namespace moe::cli {
namespace {

// As a shell reads it.
std::string Quoted(const std::string& word) {
  const bool is_plain = std::all_of(word.begin(), word.end(), [](char c) {
    return absl::ascii_isalnum(c) ||
           absl::string_view("/._-+=:@%,").find(c) != absl::string_view::npos;
  });
  if (is_plain) return word;
  return absl::StrCat("'", absl::StrReplaceAll(word, {{"'", "'\\''"}}), "'");
}

std::string FileName(const std::string& path) {
  return Quoted(SplitPath(path).name);
}

// Where anything lies is the machine's own affair: files by their names, and
// stand-ins for model and data.
std::string RunLine(const ExperimentReportRequest& request) {
  std::string line = absl::StrCat(
      "llama_moe run --experiment=", FileName(request.experiment),
      " \\\n  --model_path=MODEL \\\n  --dataset_dir_or_path=DATA");
  if (!request.lock.empty()) {
    absl::StrAppend(&line, " \\\n  --lock=", FileName(request.lock));
  }
  return absl::StrCat(line, " \\\n  --save_path=new_results");
}

}  // namespace

absl::Status WriteReport(const ExperimentReportRequest& request) {
  MOE_ASSIGN_OR_RETURN(
      const Json report,
      ExperimentReportToJson(
          {request.spec,
           request.results,
           request.found,
           request.pinned,
           {kToolVersion,
            request.target.empty()
                ? ""
                : absl::StrCat("./bazelw run ", request.target),
            RunLine(request)}}));
  return WriteExperimentReport(report, request.save_path, request.overwrite);
}

}  // namespace moe::cli
