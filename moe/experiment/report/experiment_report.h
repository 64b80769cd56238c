// Everything about the results of an experiment, as one JSON document.

#ifndef MOE_EXPERIMENT_REPORT_EXPERIMENT_REPORT_H_
#define MOE_EXPERIMENT_REPORT_EXPERIMENT_REPORT_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/base/json.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/experiment_spec.pb.h"

namespace moe::experiment {

// How a reader of the report can make the results again.
struct ReproduceLines {
  std::string version;  // The program's.
  // "./bazelw run //experiments:gsp_vanilla"; empty where there is no target.
  std::string bazel;
  // "llama_moe run --experiment=...", in which no path of a machine stands.
  std::string llama_moe;
};

struct ExperimentReportSources {
  const ExperimentSpec& spec;
  std::string results;  // The directory, as `run` lays it out.
  const ExperimentLock& found;
  // What the results are held to.
  const std::optional<ExperimentLock>& pinned;
  ReproduceLines reproduce;
};

// {"report": "experiment", "experiment", "description", "passed", "lock",
// "criteria", "evaluations", "expert_load", "routers", "neuron_splits",
// "energy_splits", "rate_splits", "alignments", "steps", "inputs", "reproduce":
// {"version", "numerics_contract", "bazel", "llama_moe", "spec"}}, by
// evaluation_section.h, model_section.h and lock_section.h. "passed" is whether
// everything is as pinned, if there is a lock, and meets the criteria; "spec"
// is the whole text of the spec, without comments. Only the timings differ from
// run to run. Errors of JudgeResults and of the sections.
absl::StatusOr<base::Json> ExperimentReportToJson(
    const ExperimentReportSources& sources);

// report_template.html with charts.js and `report` in it. `report` is that of
// ExperimentReportToJson. A browser runs the script of the page, which shows
// the numbers; the page asks nothing of the network. The same report gives the
// same bytes.
std::string FormatReportPage(const base::Json& report);

inline constexpr char kReportJson[] = "report.json";
inline constexpr char kReportHtml[] = "report.html";

// Makes the directory with report.json and report.html, whole or not at all.
// AlreadyExists if it is there; with `overwrite` it is replaced, but
// InvalidArgument unless it is empty or holds such a report.
absl::Status WriteExperimentReport(const base::Json& report,
                                   absl::string_view directory, bool overwrite);

}  // namespace moe::experiment

#endif  // MOE_EXPERIMENT_REPORT_EXPERIMENT_REPORT_H_
