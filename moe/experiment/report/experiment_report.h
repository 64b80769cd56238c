// Everything about the results of an experiment, as one JSON document.

#ifndef MOE_EXPERIMENT_REPORT_EXPERIMENT_REPORT_H_
#define MOE_EXPERIMENT_REPORT_EXPERIMENT_REPORT_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "moe/base/json.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/experiment_spec.pb.h"

namespace moe {

// How whoever reads the report can make the results again.
struct ReproduceLines {
  std::string version;  // Of the program.
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
// "alignments", "steps", "inputs", "reproduce": {"version",
// "numerics_contract", "bazel", "llama_moe", "spec"}}, by evaluation_section.h,
// model_section.h and lock_section.h. "passed" is whether everything is as
// pinned, if there is a lock, and meets the criteria; "spec" is the whole text
// of the spec, without comments. Timings are the only part that another run
// would give otherwise. Errors of JudgeResults and of the sections.
absl::StatusOr<Json> ExperimentReportToJson(
    const ExperimentReportSources& sources);

}  // namespace moe

#endif  // MOE_EXPERIMENT_REPORT_EXPERIMENT_REPORT_H_
