#include "tools/cli/experiment_flags.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "moe/base/file_system.h"
#include "moe/base/json.h"
#include "moe/base/options/option.pb.h"
#include "moe/base/progress.h"
#include "moe/base/status_macros.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/experiment_spec.pb.h"
#include "moe/experiment/lock_report.h"
#include "moe/experiment/metrics.h"
#include "moe/experiment/report/experiment_report.h"
#include "moe/experiment/step_plan.h"
#include "moe/experiment/step_runner.h"
#include "moe/experiment/text_proto.h"
#include "moe/steps/step_kind.h"
#include "tools/cli/common_flags.h"
#include "tools/cli/flag_set.h"

namespace moe::cli {

void AddExperimentFlags(FlagSet& flags, ExperimentFlags* values) {
  flags.AddString({.names = {"experiment"},
                   .what = "the experiment's spec, a .textproto file",
                   .required = true,
                   .path = Option::INPUT_PATH},
                  &values->experiment);
  AddModelPath(flags, "directory of the dense checkpoint", "",
               &values->model_path);
  flags.AddString({.names = {"dataset_dir_or_path"},
                   .what = "the data: a file of JSON lines, a directory of "
                           "them, or a token artifact",
                   .required = true,
                   .path = Option::INPUT_PATH},
                  &values->dataset);
}

absl::StatusOr<ReadExperiment> ReadExperimentOfFlags(
    const ExperimentFlags& flags) {
  ReadExperiment read;
  MOE_ASSIGN_OR_RETURN(
      read.spec, experiment::ReadTextProto<ExperimentSpec>(flags.experiment));
  absl::StatusOr<std::vector<experiment::PlannedStep>> steps =
      experiment::PlanSteps(read.spec);
  if (!steps.ok()) return base::Annotate(steps.status(), flags.experiment);
  MOE_RETURN_IF_ERROR(base::Annotate(experiment::ValidateCriteria(read.spec),
                                     flags.experiment));
  read.steps = *std::move(steps);
  return read;
}

absl::StatusOr<std::optional<ExperimentLock>> LockOfFlag(
    const std::string& path) {
  if (path.empty()) return std::nullopt;
  return experiment::ReadLock(path);
}

experiment::StepExecutor InProcess(base::Progress& progress) {
  return [&progress](const steps::StepRequest& request) {
    return base::Annotate(steps::RunRequest(request, progress).status(),
                          request.kind->name);
  };
}

namespace {

// The word, quoted for a shell if it has to be.
std::string Quoted(const std::string& word) {
  const bool is_plain = std::all_of(word.begin(), word.end(), [](char c) {
    return absl::ascii_isalnum(c) ||
           absl::string_view("/._-+=:@%,").find(c) != absl::string_view::npos;
  });
  if (is_plain) return word;
  return absl::StrCat("'", absl::StrReplaceAll(word, {{"'", "'\\''"}}), "'");
}

std::string FileName(const std::string& path) {
  return Quoted(base::SplitPath(path).name);
}

// The report must not depend on the machine's folders. So the line has files'
// names without folders, and MODEL and DATA for the paths of the inputs.
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
      const base::Json report,
      experiment::ExperimentReportToJson(
          {request.spec,
           request.results,
           request.found,
           request.pinned,
           {steps::kToolVersion,
            request.target.empty()
                ? ""
                : absl::StrCat("./bazelw run ", request.target),
            RunLine(request)}}));
  return experiment::WriteExperimentReport(report, request.save_path,
                                           request.overwrite);
}

}  // namespace moe::cli
