// What the steps of an experiment are estimated to cost, before any is run.

#ifndef MOE_EXPERIMENT_STEP_COST_H_
#define MOE_EXPERIMENT_STEP_COST_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "moe/base/progress.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/experiment/experiment_inputs.h"
#include "moe/experiment/experiment_spec.pb.h"

namespace moe {

struct StepCost {
  std::string name;
  // Floating-point operations, a multiply-add counted as two.
  double flops = 0.0;
  // From files, and to what the step makes, which is what it takes on disk.
  int64_t read_bytes = 0;
  int64_t written_bytes = 0;
  // At the peak, where no memory budget makes it less.
  int64_t memory_bytes = 0;
};

// What a dense model's steps cost by.
struct ModelSize {
  LlamaConfig config;
  int64_t stored_bytes = 0;  // Of all weights.
};
struct DatasetSize {
  int64_t num_tokens = 0;
  int64_t sum_squared_lengths = 0;  // Of the sequences.
};

// In the order of the spec, which is valid; `datasets` has every one of it.
//
// With T tokens, S the sum of the sequences' squared lengths, L layers, H
// hidden_size, Q the width of all queries, V vocab_size and P the weights of a
// layer, of which a token goes through the share a of its experts:
//   forward      2 T L P a + 2 L Q S
//   loss         forward + 2 T V H
//   clustering   forward + 2 T E H L max_iter n_init, the most that may be
//   distribution forward
//   alignment    forward
//   importance   4 forward + 3 * 2 T V H: down, each layer again, and back
// Splits and conversions compute next to nothing. A walk reads every weight
// once, importance and alignment twice, and holds two layers' weights as floats
// and two hidden states, importance those of every layer. The constant parts of
// memory (code, buffers) are left out.
std::vector<StepCost> CostsOfSteps(
    const ExperimentSpec& spec, const ModelSize& model,
    const std::map<std::string, DatasetSize>& datasets);

// CostsOfSteps for a model and data that are there; reads the model's headers
// and all of the data. Errors of Checkpoint::Open, LoadTokenizer, LoadDataset;
// InvalidArgument for a model that is not dense.
absl::StatusOr<std::vector<StepCost>> EstimateSteps(
    const ExperimentSpec& spec, const ExperimentInputs::Places& places,
    Progress& progress);

// A table with a line for each step, and one for all: the sum, of memory the
// most.
std::string FormatCosts(const std::vector<StepCost>& costs);

}  // namespace moe

#endif  // MOE_EXPERIMENT_STEP_COST_H_
