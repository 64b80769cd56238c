// One small artifact of each kind, for tests here and on the Python side, which
// knows their values (tools/python/pt_roundtrip.py).

#ifndef MOE_CHECKPOINT_ARTIFACT_TESTING_EXAMPLE_ARTIFACTS_H_
#define MOE_CHECKPOINT_ARTIFACT_TESTING_EXAMPLE_ARTIFACTS_H_

#include "moe/checkpoint/artifact/distribution.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/checkpoint/artifact/importance_scores.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/checkpoint/artifact/scale_factors.h"

namespace moe::checkpoint::testing {

// Two layers [2, 3].
GateWeights ExampleGateWeights();

// Two layers [2, 4]; [c, n] of layer i is i + c + n / 8.
ImportanceScores ExampleImportanceScores(bool token_count);

// Two layers, two experts of two out of six neurons; with `residual`, the other
// two.
NeuronIndices ExampleNeuronIndices(bool residual);

// Layer 0: both parts; layer 1: the MLP only. Hidden size 3.
Distribution ExampleDistribution();

// Layer 1 of two only, both parts. Hidden size 2.
ScaleFactors ExampleScaleFactors();

}  // namespace moe::checkpoint::testing

#endif  // MOE_CHECKPOINT_ARTIFACT_TESTING_EXAMPLE_ARTIFACTS_H_
