#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "moe/base/options/option.pb.h"
#include "moe/base/status_macros.h"
#include "moe/experiment/experiment_inputs.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/experiment_result.h"
#include "moe/experiment/lock_report.h"
#include "moe/experiment/text_proto.h"
#include "tools/cli/command.h"
#include "tools/cli/commands.h"
#include "tools/cli/experiment_flags.h"
#include "tools/cli/flag_set.h"

namespace moe::cli {
namespace {

struct VerifyFlags {
  ExperimentFlags experiment;
  std::string results;
  std::string lock;
  std::string update_lock;
};

absl::StatusOr<int> Update(const VerifyFlags& flags, const ReadExperiment& read,
                           const ExperimentLock& found,
                           CommandContext& context) {
  MOE_ASSIGN_OR_RETURN(
      const experiment::LockVerdict verdict,
      experiment::JudgeResults(read.spec, std::nullopt, found));
  context.out << experiment::FormatVerdict(read.spec, verdict, found,
                                           flags.results);
  if (!verdict.Passed()) {
    return absl::FailedPreconditionError(
        "the results do not meet the spec's criteria and are not pinned");
  }
  MOE_RETURN_IF_ERROR(experiment::WriteLock(found, flags.update_lock));
  context.out << "pinned in " << flags.update_lock << "\n";
  return kSuccess;
}

absl::StatusOr<int> Run(const VerifyFlags& flags, CommandContext& context) {
  MOE_ASSIGN_OR_RETURN(const ReadExperiment read,
                       ReadExperimentOfFlags(flags.experiment));
  if (!flags.update_lock.empty()) {
    MOE_RETURN_IF_ERROR(
        experiment::CheckIsTextProto(ExperimentLock(), flags.update_lock));
  }
  experiment::ExperimentInputs inputs(flags.experiment.Places(),
                                      context.progress);
  MOE_ASSIGN_OR_RETURN(const ExperimentLock found,
                       experiment::LockOfResults(read.spec, flags.results,
                                                 inputs, context.progress));
  if (!flags.update_lock.empty()) return Update(flags, read, found, context);
  if (flags.lock.empty()) {
    return absl::InvalidArgumentError(
        "expected --lock or --update_lock, found neither; give --lock to check "
        "the results, or --update_lock to pin them");
  }
  MOE_ASSIGN_OR_RETURN(const ExperimentLock pinned,
                       experiment::ReadLock(flags.lock));
  MOE_ASSIGN_OR_RETURN(const experiment::LockVerdict verdict,
                       experiment::JudgeResults(read.spec, pinned, found));
  context.out << experiment::FormatVerdict(read.spec, verdict, found,
                                           flags.results);
  return verdict.Passed() ? kSuccess : kDiffers;
}

CommandAction DeclareVerify(FlagSet& set) {
  const auto flags = std::make_shared<VerifyFlags>();
  AddExperimentFlags(set, &flags->experiment);
  set.AddString({.names = {"results"},
                 .what = "directory of the results, as run lays them out",
                 .required = true,
                 .path = Option::RESULTS_PATH},
                &flags->results);
  set.AddString({.names = {"lock"},
                 .what = "the lock that the results are held to",
                 .path = Option::INPUT_PATH},
                &flags->lock);
  set.AddString({.names = {"update_lock"},
                 .what = "write the results' lock to this file instead",
                 .path = Option::OUTPUT_FILE},
                &flags->update_lock);
  return [flags](CommandContext& context) { return Run(*flags, context); };
}

}  // namespace

Command VerifyCommand() {
  return {.name = "verify",
          .summary = "holds the results of an experiment to its lock",
          .notes =
              "Reads every file of the results, the model and the data again. "
              "Exit status: 0; 1 if they are not\nas pinned, or do not meet "
              "the spec's criteria; 2 on an error.\n",
          .declare = DeclareVerify};
}

}  // namespace moe::cli
