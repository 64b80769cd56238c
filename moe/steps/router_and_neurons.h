// What steps have in common that make router weights and neuron indices at
// once.

#ifndef MOE_STEPS_ROUTER_AND_NEURONS_H_
#define MOE_STEPS_ROUTER_AND_NEURONS_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/reconstruct/expert_counts.h"
#include "moe/steps/cost_model.h"
#include "moe/steps/step_kind.h"

namespace moe::steps {

// InvalidArgument or AlreadyExists if one of both cannot be written. The
// request's output is an ArtifactOutput.
absl::Status CheckRouterAndNeuronsOutput(const StepRequest& request);

struct RouterAndNeurons {
  const checkpoint::GateWeights& gate_weights;
  const checkpoint::NeuronIndices& neuron_indices;
};

// Writes both artifacts, each with the report beside it, or none: a signal ends
// the command before or after, and router weights without neurons are removed.
// The outcome's report has "artifacts", each with its digest, before what
// `outcome` has; its text, the files before that of `outcome`.
absl::StatusOr<StepOutcome> WriteRouterAndNeurons(const StepRequest& request,
                                                  const RouterAndNeurons& made,
                                                  const StepOutcome& outcome);

// What the step writes, and what later steps need to know of it.
void AddRouterAndNeurons(const CostedStep& step,
                         const reconstruct::ExpertCounts& counts,
                         CostModel& model);

}  // namespace moe::steps

#endif  // MOE_STEPS_ROUTER_AND_NEURONS_H_
