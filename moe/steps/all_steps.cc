#include "moe/steps/all_steps.h"

#include <vector>

#include "moe/steps/step_kind.h"

namespace moe::steps {

const std::vector<StepKind>& AllSteps() {
  static const auto* const steps = new std::vector<StepKind>{
      HiddenClusteringKind(),    RandomSelectionKind(),
      ImportanceScoresKind(),    VanillaSplitKind(),
      ResidualSplitKind(),       SequentialSplitKind(),
      RandomSplitKind(),         EnergySplitKind(),
      ActivationRateSplitKind(), NeuronRemovalKind(),
      MlpConversionKind(),       ResidualMlpConversionKind(),
      AttentionConversionKind(), HiddenDistributionKind(),
      AlignmentKind(),           ReconstructionKind(),
      EvaluationKind(),          ExportKind()};
  return *steps;
}

}  // namespace moe::steps
