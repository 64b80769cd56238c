// Estimates what the steps of an experiment cost, before any is run.

#ifndef MOE_EXPERIMENT_STEP_COST_H_
#define MOE_EXPERIMENT_STEP_COST_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "moe/base/progress.h"
#include "moe/experiment/experiment_inputs.h"
#include "moe/experiment/experiment_spec.pb.h"
#include "moe/steps/cost_model.h"

namespace moe::experiment {

// In the order of the spec, which must be valid. `datasets` has every dataset
// of the spec. The kind of a step says what it costs; see CostModel.
std::vector<steps::StepCost> CostsOfSteps(
    const ExperimentSpec& spec, const steps::ModelSize& model,
    const std::map<std::string, steps::DatasetSize>& datasets);

// CostsOfSteps for a model and data that are there; reads the model's headers
// and all of the data. Errors of Checkpoint::Open, LoadTokenizer, LoadDataset;
// InvalidArgument for a model that is not dense.
absl::StatusOr<std::vector<steps::StepCost>> EstimateSteps(
    const ExperimentSpec& spec, const ExperimentInputs::Places& places,
    base::Progress& progress);

// A table with a line for each step, and one for all: the sum, of memory the
// most.
std::string FormatCosts(const std::vector<steps::StepCost>& costs);

}  // namespace moe::experiment

#endif  // MOE_EXPERIMENT_STEP_COST_H_
