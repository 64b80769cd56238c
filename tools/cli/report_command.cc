#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "moe/base/file_system.h"
#include "moe/base/options/option.pb.h"
#include "moe/base/status_macros.h"
#include "moe/experiment/experiment_inputs.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/experiment_result.h"
#include "moe/experiment/experiment_runner.h"
#include "moe/experiment/lock_report.h"
#include "moe/experiment/report/experiment_report.h"
#include "moe/experiment/report/lock_section.h"
#include "tools/cli/command.h"
#include "tools/cli/commands.h"
#include "tools/cli/experiment_flags.h"
#include "tools/cli/flag_set.h"

namespace moe::cli {
namespace {

struct ReportFlags {
  ExperimentFlags experiment;
  std::string results;
  std::string lock;
  std::string target;
  std::string save_path;
  bool overwrite = false;
};

// The lock of the results. If model and data are given, it has their digests;
// otherwise it has those that the results recorded.
absl::StatusOr<ExperimentLock> FoundLock(
    const ReportFlags& flags, const ExperimentSpec& spec,
    const std::optional<ExperimentLock>& pinned, CommandContext& context) {
  if (!flags.experiment.model_path.empty()) {
    experiment::ExperimentInputs inputs(flags.experiment.Places(),
                                        context.progress);
    return experiment::LockOfResults(spec, flags.results, inputs,
                                     context.progress);
  }
  std::vector<ExperimentLock> known;
  const std::string result_lock =
      absl::StrCat(flags.results, "/", experiment::kResultLockFile);
  if (base::PathExists(result_lock)) {
    MOE_ASSIGN_OR_RETURN(const ExperimentLock made,
                         experiment::ReadLock(result_lock));
    known.push_back(made);
  }
  if (pinned.has_value()) known.push_back(*pinned);
  return experiment::RecordedLock(spec, flags.results, known, context.progress);
}

absl::Status CheckFlags(const ReportFlags& flags) {
  if (flags.experiment.model_path.empty() == flags.experiment.dataset.empty()) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      "expected both --model_path and --dataset_dir_or_path or neither, found "
      "one; with both, model and data are read again, with neither they are "
      "what the results say");
}

absl::StatusOr<int> Run(const ReportFlags& flags, CommandContext& context) {
  MOE_RETURN_IF_ERROR(CheckFlags(flags));
  MOE_ASSIGN_OR_RETURN(const ReadExperiment read,
                       ReadExperimentOfFlags(flags.experiment));
  MOE_ASSIGN_OR_RETURN(const std::optional<ExperimentLock> pinned,
                       LockOfFlag(flags.lock));
  MOE_ASSIGN_OR_RETURN(const ExperimentLock found,
                       FoundLock(flags, read.spec, pinned, context));
  MOE_RETURN_IF_ERROR(WriteReport(
      {read.spec, found, pinned, flags.experiment.experiment, flags.lock,
       flags.target, flags.results, flags.save_path, flags.overwrite}));
  context.out << flags.save_path << "/" << experiment::kReportHtml << "\n"
              << flags.save_path << "/" << experiment::kReportJson << "\n";
  return kSuccess;
}

void DeclareInputs(FlagSet& set, ReportFlags* flags) {
  set.AddString({.names = {"experiment"},
                 .what = "the experiment's spec, a .textproto file",
                 .required = true,
                 .path = Option::INPUT_PATH},
                &flags->experiment.experiment);
  set.AddString({.names = {"results"},
                 .what = "directory of the results, as run lays them out",
                 .required = true,
                 .path = Option::RESULTS_PATH},
                &flags->results);
  set.AddString({.names = {"lock"},
                 .what = "the lock that the results are held to; without one "
                         "the report says that there was none",
                 .path = Option::INPUT_PATH},
                &flags->lock);
  set.AddString({.names = {"model_path"},
                 .what = "directory of the dense checkpoint, to read it again; "
                         "needs --dataset_dir_or_path",
                 .path = Option::INPUT_PATH},
                &flags->experiment.model_path);
  set.AddString({.names = {"dataset_dir_or_path"},
                 .what = "the data, to read them again",
                 .path = Option::INPUT_PATH},
                &flags->experiment.dataset);
}

CommandAction DeclareReport(FlagSet& set) {
  const auto flags = std::make_shared<ReportFlags>();
  DeclareInputs(set, flags.get());
  set.AddString({.names = {"target"},
                 .what = "the experiment's label in a Bazel workspace, for the "
                         "report to name"},
                &flags->target);
  set.AddString({.names = {"save_path"},
                 .what = "directory for report.html and report.json, which is "
                         "made",
                 .required = true,
                 .path = Option::OUTPUT_DIRECTORY},
                &flags->save_path);
  set.AddBool({.names = {"overwrite"}, .what = "replace a report there"},
              &flags->overwrite);
  return [flags](CommandContext& context) { return Run(*flags, context); };
}

}  // namespace

Command ReportCommand() {
  return {.name = "report",
          .summary =
              "writes the report of an experiment's results: one HTML "
              "file, and JSON",
          .notes =
              "report.html needs no network; report.json holds "
              "the same with every digit. run\nwrites both to "
              "SAVE_PATH/report. Reads every file of the results again. Exit "
              "status: 0, whatever\nthe report says; 2 on an error.\n",
          .declare = DeclareReport};
}

}  // namespace moe::cli
