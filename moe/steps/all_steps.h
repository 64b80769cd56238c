// The registry of the steps: what every program that knows steps reads.
//
// A new step is a file of this room that returns its StepKind, a line here, and
// one in all_steps.cc.

#ifndef MOE_STEPS_ALL_STEPS_H_
#define MOE_STEPS_ALL_STEPS_H_

#include <vector>

#include "moe/steps/step_kind.h"

namespace moe::steps {

StepKind HiddenClusteringKind();
StepKind RandomSelectionKind();
StepKind ImportanceScoresKind();
StepKind VanillaSplitKind();
StepKind ResidualSplitKind();
StepKind SequentialSplitKind();
StepKind RandomSplitKind();
StepKind EnergySplitKind();
StepKind ActivationRateSplitKind();
StepKind NeuronRemovalKind();
StepKind MlpConversionKind();
StepKind ResidualMlpConversionKind();
StepKind AttentionConversionKind();
StepKind HiddenDistributionKind();
StepKind AlignmentKind();
StepKind ReconstructionKind();
StepKind EvaluationKind();
StepKind ExportKind();

// In the order in which a pipeline runs them. Made once.
const std::vector<StepKind>& AllSteps();

}  // namespace moe::steps

#endif  // MOE_STEPS_ALL_STEPS_H_
