#include "moe/experiment/lock_report.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "moe/base/escape_control.h"
#include "moe/base/status_macros.h"
#include "moe/experiment/experiment_inputs.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/experiment_result.h"
#include "moe/experiment/experiment_spec.pb.h"
#include "moe/experiment/metrics.h"
#include "moe/experiment/text_proto.h"

namespace moe::experiment {
namespace {

// Enough to tell digests apart by eye; the lock has all of them.
constexpr size_t kShownDigits = 16;

std::string Row(absl::string_view name, absl::string_view status,
                absl::string_view what) {
  return absl::StrFormat("  %-28s %-10s %s\n", name, status, what);
}

template <typename Files>
std::string FilesText(const Files& files) {
  const std::vector<FileDigest> all(files.begin(), files.end());
  return absl::StrCat(all.size(), " files ",
                      DigestOfFiles(all).substr(0, kShownDigits));
}

std::string InputRows(const ExperimentSpec& spec, const LockVerdict& verdict,
                      const ExperimentLock& found) {
  const auto status = [&](absl::string_view prefix) -> std::string {
    if (!verdict.check.has_value()) return "read";
    for (const LockDifference& input : verdict.check->inputs) {
      if (input.what.rfind(std::string(prefix), 0) == 0) return "DIFFERS";
    }
    return "verified";
  };
  return absl::StrCat(Row("spec", status("the spec"),
                          found.spec_sha256().substr(0, kShownDigits)),
                      Row(absl::StrCat("model ", spec.model()),
                          status("model file"), FilesText(found.model())),
                      Row(absl::StrCat("data ", spec.data()),
                          status("data file"), FilesText(found.data())));
}

void AppendDifferences(const std::vector<LockDifference>& differences,
                       absl::string_view where, std::string& text) {
  for (const LockDifference& difference : differences) {
    absl::StrAppend(&text, "  ", where, base::EscapeControl(difference.what),
                    "\n    pinned: ", base::EscapeControl(difference.pinned),
                    "\n    found:  ", base::EscapeControl(difference.found),
                    "\n");
  }
}

std::string DifferencesText(const LockCheck& check) {
  if (check.Same()) return "";
  std::string text = "\nNot as pinned:\n";
  AppendDifferences(check.inputs, "", text);
  for (const StepCheck& step : check.steps) {
    const std::string where = absl::StrCat(step.name, ": ");
    AppendDifferences(step.origins, where, text);
    if (step.read_other_bytes) {
      absl::StrAppend(&text, "  ", where, "read other bytes than pinned\n");
    }
    AppendDifferences(step.differences, where, text);
  }
  for (const std::string& name : check.missing_steps) {
    absl::StrAppend(&text, "  ", name, " is pinned, and was not run\n");
  }
  const std::string first = check.FirstDiverged();
  if (!first.empty()) {
    absl::StrAppend(&text, "\nThe first step that diverged is ", first, ".\n");
  }
  const std::vector<std::string> causes = check.LikelyCauses();
  if (!causes.empty()) {
    absl::StrAppend(
        &text, "Likely causes:\n  - ",
        absl::StrJoin(causes, "\n  - ",
                      [](std::string* out, const std::string& cause) {
                        *out += base::EscapeControl(cause);
                      }),
        "\n");
  }
  return text;
}

std::string CriteriaText(const std::vector<CriterionResult>& criteria) {
  std::string text;
  for (const CriterionResult& criterion : criteria) {
    absl::StrAppend(&text, "  ",
                    criterion.met ? "met:     " : "NOT MET: ", criterion.text,
                    "\n");
  }
  return text.empty() ? "" : absl::StrCat("\nCriteria:\n", text);
}

std::string LastCheckpoint(const ExperimentSpec& spec) {
  std::string name;
  for (const ExperimentStep& step : spec.steps()) {
    if (step.has_convert_mlp() || step.has_convert_attention() ||
        step.has_align() || step.has_reconstruct() ||
        step.has_remove_neurons()) {
      name = step.name();
    }
  }
  return name;
}

}  // namespace

absl::StatusOr<ExperimentLock> ReadLock(const std::string& path) {
  MOE_ASSIGN_OR_RETURN(const ExperimentLock lock,
                       ReadTextProto<ExperimentLock>(path));
  MOE_RETURN_IF_ERROR(base::Annotate(ValidateExperimentLock(lock), path));
  return lock;
}

absl::Status WriteLock(const ExperimentLock& lock, const std::string& path) {
  return WriteTextProto(
      lock,
      absl::StrCat("# What experiment ", lock.experiment(),
                   " comes to, on every machine. Written by the program\n"
                   "# (experiments/README.md).\n"),
      path);
}

bool LockVerdict::Passed() const {
  return !lock_is_empty && (!check.has_value() || check->Same()) &&
         std::all_of(criteria.begin(), criteria.end(),
                     [](const CriterionResult& result) { return result.met; });
}

absl::string_view StepStatus(const LockVerdict& verdict,
                             absl::string_view step) {
  if (!verdict.check.has_value()) return "made";
  const auto& steps = verdict.check->steps;
  const auto found =
      std::find_if(steps.begin(), steps.end(),
                   [&](const StepCheck& check) { return check.name == step; });
  if (found == steps.end() || !found->differences.empty()) return "DIFFERS";
  return found->SameOrigin() ? "verified" : "CHANGED";
}

absl::StatusOr<LockVerdict> JudgeResults(
    const ExperimentSpec& spec, const std::optional<ExperimentLock>& pinned,
    const ExperimentLock& found) {
  LockVerdict verdict;
  verdict.lock_is_empty = pinned.has_value() && !IsPinned(*pinned);
  if (pinned.has_value() && !verdict.lock_is_empty) {
    MOE_ASSIGN_OR_RETURN(verdict.check, CheckLock(*pinned, found));
  }
  MOE_ASSIGN_OR_RETURN(verdict.criteria, CheckCriteria(spec, found));
  return verdict;
}

std::string SummarizeStep(const StepLock& step) {
  std::vector<std::string> parts;
  if (step.files_size() == 1) {
    parts.push_back(
        absl::StrCat(base::EscapeControl(step.files(0).name()), " ",
                     step.files(0).sha256().substr(0, kShownDigits)));
  } else if (step.files_size() > 1) {
    parts.push_back(FilesText(step.files()));
  }
  for (const Metric& metric : step.metrics()) {
    parts.push_back(absl::StrCat(metric.name(), " ",
                                 metric.has_digest()
                                     ? metric.digest().substr(0, kShownDigits)
                                     : FormatMetric(metric)));
  }
  return absl::StrJoin(parts, ", ");
}

std::string FormatVerdict(const ExperimentSpec& spec,
                          const LockVerdict& verdict,
                          const ExperimentLock& found,
                          absl::string_view results) {
  std::string text = absl::StrCat(spec.name(), ": numerics contract ",
                                  found.numerics_contract(), "\n",
                                  InputRows(spec, verdict, found));
  for (const StepLock& step : found.steps()) {
    absl::StrAppend(&text, Row(step.name(), StepStatus(verdict, step.name()),
                               SummarizeStep(step)));
  }
  if (verdict.check.has_value()) {
    absl::StrAppend(&text, DifferencesText(*verdict.check));
  }
  if (verdict.lock_is_empty) {
    absl::StrAppend(&text, "\nThe lock is empty: nothing is pinned yet.\n");
  }
  absl::StrAppend(&text, CriteriaText(verdict.criteria));
  const std::string checkpoint = LastCheckpoint(spec);
  if (!checkpoint.empty()) {
    absl::StrAppend(&text, "\ncheckpoint: ", results, "/", checkpoint, "\n");
  }
  return text;
}

}  // namespace moe::experiment
