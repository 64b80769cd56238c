// The steps of an experiment as requests: of which kind each is, what it reads,
// with which options it runs. Nothing is opened.

#ifndef MOE_EXPERIMENT_STEP_PLAN_H_
#define MOE_EXPERIMENT_STEP_PLAN_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/experiment/experiment_spec.pb.h"
#include "moe/steps/step_kind.h"

namespace moe::experiment {

// OK for lower-case letters, digits and underscores, a letter first, 64 at
// most; else InvalidArgument with the field.
absl::Status CheckSpecName(absl::string_view name, absl::string_view field);

// The directory of the report, beside those of the steps. No step can have this
// name.
inline constexpr absl::string_view kReportDirectory = "report";

enum class InputSource { kModel, kData, kStep };

// A path that a command is given.
struct StepInput {
  std::string flag;  // "gate_weights_file"
  InputSource source = InputSource::kModel;
  // The model's name, the dataset's, or the earlier step's.
  std::string name;
  // Below what has that name; empty for all of it.
  std::string file;
};

struct PlannedStep {
  std::string name;
  std::vector<StepInput> inputs;
  // With the kind, the dataset's options and the step's; paths are not known
  // yet.
  steps::StepRequest request;

  const std::string& command() const { return request.kind->name; }
  steps::OutputKind output() const { return request.kind->made; }
};

// OK, or InvalidArgument with the field, what it is and what is allowed. The
// dataset's fields stand under its own name.
absl::Status ValidateExperimentDataset(const ExperimentDataset& dataset);

// The steps in their order. Validates the spec: InvalidArgument with the step,
// the field, what was found and what is allowed; options as the library's
// Validate* functions do, and each reference to an earlier step of the kind
// that the field wants.
absl::StatusOr<std::vector<PlannedStep>> PlanSteps(const ExperimentSpec& spec);

// The step of that name. NotFound, with the names that there are.
absl::StatusOr<PlannedStep> FindStep(const std::vector<PlannedStep>& steps,
                                     absl::string_view name);

}  // namespace moe::experiment

#endif  // MOE_EXPERIMENT_STEP_PLAN_H_
