#include "moe/experiment/experiment_result.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "moe/base/progress.h"
#include "moe/base/sha256.h"
#include "moe/base/status_macros.h"
#include "moe/experiment/experiment_inputs.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/experiment_spec.pb.h"
#include "moe/experiment/metrics.h"
#include "moe/experiment/text_proto.h"
#include "moe/kernels/numerics_contract.h"

namespace moe::experiment {
namespace {

constexpr char kNothing[] = "nothing";

absl::Status CheckDigest(absl::string_view digest, absl::string_view field) {
  const bool is_digest =
      digest.size() == 64 &&
      std::all_of(digest.begin(), digest.end(), [](char c) {
        return absl::ascii_isdigit(c) || (c >= 'a' && c <= 'f');
      });
  if (is_digest) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      field, ": expected 64 hexadecimal digits, found \"", digest, "\""));
}

template <typename List>
absl::Status CheckFiles(const List& files, absl::string_view field) {
  std::set<std::string> names;
  for (const FileDigest& file : files) {
    const std::string where = absl::StrCat(field, " \"", file.name(), "\"");
    if (file.name().empty() || !names.insert(file.name()).second) {
      return absl::InvalidArgumentError(
          absl::StrCat(where, ": expected a name that no other file has"));
    }
    if (file.bytes() < 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          where, ": bytes: expected 0 or more, found ", file.bytes()));
    }
    MOE_RETURN_IF_ERROR(CheckDigest(file.sha256(), where + ": sha256"));
  }
  return absl::OkStatus();
}

absl::Status CheckStep(const StepLock& step) {
  MOE_RETURN_IF_ERROR(CheckFiles(step.files(), "files"));
  for (const StepInputDigest& input : step.inputs()) {
    MOE_RETURN_IF_ERROR(CheckDigest(
        input.sha256(), absl::StrCat("inputs \"", input.flag(), "\": sha256")));
  }
  for (const Metric& metric : step.metrics()) {
    if (metric.value_case() != Metric::VALUE_NOT_SET) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("metrics \"", metric.name(),
                     "\": expected number, count or digest, found none"));
  }
  return absl::OkStatus();
}

// What a name stands for on both sides; "nothing" where it is missing.
template <typename List, typename Same, typename Format>
void Compare(const List& pinned, const List& found, absl::string_view of,
             Same same, Format format,
             std::vector<LockDifference>& differences) {
  const auto find = [](const List& list, const std::string& name) {
    return std::find_if(list.begin(), list.end(), [&](const auto& element) {
      return element.name() == name;
    });
  };
  for (const auto& element : pinned) {
    const auto other = find(found, element.name());
    if (other == found.end()) {
      differences.push_back(
          {absl::StrCat(of, element.name()), format(element), kNothing});
    } else if (!same(element, *other)) {
      differences.push_back(
          {absl::StrCat(of, element.name()), format(element), format(*other)});
    }
  }
  for (const auto& element : found) {
    if (find(pinned, element.name()) != pinned.end()) continue;
    differences.push_back(
        {absl::StrCat(of, element.name()), kNothing, format(element)});
  }
}

template <typename List>
void CompareFiles(const List& pinned, const List& found, absl::string_view of,
                  std::vector<LockDifference>& differences) {
  Compare(
      pinned, found, of, SameFile,
      [](const FileDigest& file) {
        return absl::StrCat(file.bytes(), " bytes, sha256 ", file.sha256());
      },
      differences);
}

void CompareTexts(absl::string_view what, absl::string_view pinned,
                  absl::string_view found,
                  std::vector<LockDifference>& differences) {
  if (pinned == found) return;
  differences.push_back(
      {std::string(what), std::string(pinned), std::string(found)});
}

std::string InputsText(const StepLock& step) {
  return absl::StrJoin(
      step.inputs(), ", ", [](std::string* out, const StepInputDigest& input) {
        absl::StrAppend(out, "--", input.flag(), " from ", input.from());
      });
}

// The bytes of the model and of the data; those of steps follow from them.
std::string OutsideDigests(const StepLock& step,
                           const std::set<std::string>& step_names) {
  std::string digests;
  for (const StepInputDigest& input : step.inputs()) {
    if (step_names.count(input.from()) > 0) continue;
    absl::StrAppend(&digests, input.flag(), " ", input.sha256(), "\n");
  }
  return digests;
}

std::set<std::string> NamesOfSteps(const ExperimentLock& lock) {
  std::set<std::string> names;
  for (const StepLock& step : lock.steps()) names.insert(step.name());
  return names;
}

StepCheck CompareSteps(const StepLock& pinned, const StepLock& found,
                       const std::set<std::string>& step_names) {
  StepCheck check;
  check.name = found.name();
  CompareFiles(pinned.files(), found.files(), "", check.differences);
  Compare(pinned.metrics(), found.metrics(), "", SameMetric, FormatMetric,
          check.differences);
  CompareTexts("command", pinned.command(), found.command(), check.origins);
  CompareTexts("arguments", absl::StrJoin(pinned.arguments(), " "),
               absl::StrJoin(found.arguments(), " "), check.origins);
  CompareTexts("inputs", InputsText(pinned), InputsText(found), check.origins);
  check.read_other_bytes =
      OutsideDigests(pinned, step_names) != OutsideDigests(found, step_names);
  return check;
}

template <typename List>
absl::Status CheckMade(const List& files, absl::string_view directory) {
  for (const FileDigest& file : files) {
    MOE_ASSIGN_OR_RETURN(const FileDigest found,
                         DigestFile(directory, file.name()));
    if (SameFile(file, found)) continue;
    return absl::DataLossError(absl::StrCat(
        directory, "/", file.name(), ": expected what its step made, ",
        file.bytes(), " bytes, sha256 ", file.sha256(), ", found ",
        found.bytes(), " bytes, sha256 ", found.sha256()));
  }
  return absl::OkStatus();
}

}  // namespace

std::string SpecDigest(const ExperimentSpec& spec) {
  ExperimentSpec pinned = spec;
  pinned.clear_description();
  // Fields in the order of their numbers; there are no maps.
  return base::HexSha256Of(pinned.SerializeAsString());
}

bool IsPinned(const ExperimentLock& lock) { return lock.steps_size() > 0; }

absl::Status ValidateExperimentLock(const ExperimentLock& lock) {
  if (!IsPinned(lock)) return absl::OkStatus();
  if (lock.numerics_contract() < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("numerics_contract: expected 1 or more, found ",
                     lock.numerics_contract()));
  }
  MOE_RETURN_IF_ERROR(CheckDigest(lock.spec_sha256(), "spec_sha256"));
  MOE_RETURN_IF_ERROR(CheckFiles(lock.model(), "model"));
  MOE_RETURN_IF_ERROR(CheckFiles(lock.data(), "data"));
  std::set<std::string> names;
  for (const StepLock& step : lock.steps()) {
    const std::string where = absl::StrCat("steps \"", step.name(), "\"");
    if (!names.insert(step.name()).second) {
      return absl::InvalidArgumentError(
          where + ": expected each step once, found it twice");
    }
    MOE_RETURN_IF_ERROR(base::Annotate(CheckStep(step), where));
  }
  return absl::OkStatus();
}

absl::StatusOr<ExperimentLock> LockOfSteps(const ExperimentSpec& spec,
                                           absl::string_view directory,
                                           base::Progress& progress) {
  ExperimentLock lock;
  lock.set_experiment(spec.name());
  lock.set_numerics_contract(kernels::kNumericsContractVersion);
  lock.set_spec_sha256(SpecDigest(spec));
  progress.Start("reading the results", spec.steps_size(), "steps");
  for (const ExperimentStep& step : spec.steps()) {
    const std::string path = absl::StrCat(directory, "/", step.name());
    MOE_ASSIGN_OR_RETURN(const StepRecord record,
                         ReadTextProto<StepRecord>(RecordPath(path)));
    if (record.numerics_contract() != kernels::kNumericsContractVersion) {
      return absl::InvalidArgumentError(absl::StrCat(
          RecordPath(path), ": expected numerics contract ",
          kernels::kNumericsContractVersion, ", this program's, found ",
          record.numerics_contract(), "; run the experiment again"));
    }
    MOE_RETURN_IF_ERROR(CheckMade(record.step().files(), path));
    MOE_RETURN_IF_ERROR(CheckMade(record.reports(), path));
    *lock.add_steps() = record.step();
    progress.Advance(1);
  }
  progress.Finish();
  return lock;
}

absl::StatusOr<ExperimentLock> LockOfResults(const ExperimentSpec& spec,
                                             absl::string_view directory,
                                             ExperimentInputs& inputs,
                                             base::Progress& progress) {
  MOE_ASSIGN_OR_RETURN(const std::vector<FileDigest> model, inputs.Model());
  MOE_ASSIGN_OR_RETURN(const std::vector<FileDigest> data, inputs.Data(spec));
  MOE_ASSIGN_OR_RETURN(ExperimentLock lock,
                       LockOfSteps(spec, directory, progress));
  lock.mutable_model()->Add(model.begin(), model.end());
  lock.mutable_data()->Add(data.begin(), data.end());
  return lock;
}

bool LockCheck::Same() const {
  return inputs.empty() && missing_steps.empty() && FirstDiverged().empty();
}

std::string LockCheck::FirstDiverged() const {
  auto found = std::find_if(
      steps.begin(), steps.end(),
      [](const StepCheck& step) { return !step.differences.empty(); });
  if (found == steps.end()) {
    found = std::find_if(steps.begin(), steps.end(), [](const StepCheck& step) {
      return !step.SameOrigin();
    });
  }
  return found == steps.end() ? "" : found->name;
}

std::vector<std::string> LockCheck::LikelyCauses() const {
  std::vector<std::string> causes;
  for (const LockDifference& input : inputs) {
    causes.push_back(absl::StrCat(input.what, " is not what was pinned: ",
                                  input.found, "; pinned is ", input.pinned));
  }
  const std::string first = FirstDiverged();
  if (first.empty()) return causes;
  for (const StepCheck& step : steps) {
    for (const LockDifference& origin : step.origins) {
      causes.push_back(absl::StrCat(step.name, " has other ", origin.what, ": ",
                                    origin.found, "; pinned is ",
                                    origin.pinned));
    }
    if (step.name == first) break;
  }
  if (causes.empty()) {
    causes.push_back(
        "model, data and options are as pinned, so the program computes "
        "something else: a change of the code, which needs a new version of "
        "the numerics contract; or a machine, compiler or library on which the "
        "contract does not hold, which is a fault to be reported");
  }
  return causes;
}

absl::StatusOr<LockCheck> CheckLock(const ExperimentLock& pinned,
                                    const ExperimentLock& found) {
  if (pinned.experiment() != found.experiment()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected a lock of experiment \"", found.experiment(),
        "\", as the results are, found one of \"", pinned.experiment(), "\""));
  }
  LockCheck check;
  CompareTexts("the version of the numerics contract",
               absl::StrCat(pinned.numerics_contract()),
               absl::StrCat(found.numerics_contract()), check.inputs);
  CompareFiles(pinned.model(), found.model(), "model file ", check.inputs);
  CompareFiles(pinned.data(), found.data(), "data file ", check.inputs);
  CompareTexts("the spec", pinned.spec_sha256(), found.spec_sha256(),
               check.inputs);
  const std::set<std::string> names = NamesOfSteps(found);
  for (const StepLock& step : found.steps()) {
    const auto other = std::find_if(
        pinned.steps().begin(), pinned.steps().end(),
        [&](const StepLock& p) { return p.name() == step.name(); });
    if (other != pinned.steps().end()) {
      check.steps.push_back(CompareSteps(*other, step, names));
    } else {
      check.steps.push_back(
          {step.name(), {{"the step", kNothing, "made"}}, {}});
    }
  }
  for (const StepLock& step : pinned.steps()) {
    if (names.count(step.name()) == 0)
      check.missing_steps.push_back(step.name());
  }
  return check;
}

}  // namespace moe::experiment
