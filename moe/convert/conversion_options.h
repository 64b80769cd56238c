// What the options of a conversion have to do with each other and with the
// artifacts that it takes.

#ifndef MOE_CONVERT_CONVERSION_OPTIONS_H_
#define MOE_CONVERT_CONVERSION_OPTIONS_H_

#include "absl/status/status.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/convert/attention_options.pb.h"
#include "moe/convert/mlp_options.pb.h"

namespace moe {

// OK, or InvalidArgument with the field, its value and what is allowed.
absl::Status ValidateMlpConversionOptions(const MlpConversionOptions& options);
absl::Status ValidateAttentionConversionOptions(
    const AttentionConversionOptions& options);

// The options with num_experts, top_k and scale_factor, where they are not set,
// at the published settings: as many experts as the artifacts have, or 8; 2 of
// them for a token and a factor of 4, or 1 and 1 beside a residual expert. The
// artifacts may be null.
MlpConversionOptions WithPublishedSettings(const MlpConversionOptions& options,
                                           const GateWeights* gate_weights,
                                           const NeuronIndices* neuron_indices);

}  // namespace moe

#endif  // MOE_CONVERT_CONVERSION_OPTIONS_H_
