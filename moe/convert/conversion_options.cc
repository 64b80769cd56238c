#include "moe/convert/conversion_options.h"

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "moe/base/option_checks.h"
#include "moe/base/options/options.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/convert/attention_options.pb.h"
#include "moe/convert/mlp_options.pb.h"

namespace moe {
namespace {

int64_t NumExpertsOf(const GateWeights* gate_weights,
                     const NeuronIndices* neuron_indices) {
  if (neuron_indices != nullptr && !neuron_indices->layers.empty()) {
    return neuron_indices->layers[0].experts.rows();
  }
  if (gate_weights != nullptr && !gate_weights->layers.empty()) {
    return gate_weights->layers[0].rows();
  }
  return 8;
}

}  // namespace

absl::Status ValidateMlpConversionOptions(const MlpConversionOptions& options) {
  MOE_RETURN_IF_ERROR(CheckOptions(options));
  if (!options.has_top_k() || !options.has_num_experts()) {
    return absl::OkStatus();
  }
  return CheckField(
      options.top_k() <= options.num_experts(), "top_k", options.top_k(),
      absl::StrCat("1 to ", options.num_experts(), " (num_experts)"));
}

absl::Status ValidateAttentionConversionOptions(
    const AttentionConversionOptions& options) {
  MOE_RETURN_IF_ERROR(CheckOptions(options));
  const int64_t split = options.attn_split();
  return CheckField((split & (split - 1)) == 0, "attn_split", split,
                    "1, 2, 4, 8, ...");
}

MlpConversionOptions WithPublishedSettings(
    const MlpConversionOptions& options, const GateWeights* gate_weights,
    const NeuronIndices* neuron_indices) {
  const bool residual = options.kind() == MlpConversionOptions::RESIDUAL;
  MlpConversionOptions all = options;
  if (!all.has_num_experts()) {
    all.set_num_experts(NumExpertsOf(gate_weights, neuron_indices));
  }
  if (!all.has_top_k()) all.set_top_k(residual ? 1 : 2);
  if (!all.has_scale_factor()) all.set_scale_factor(residual ? 1.0 : 4.0);
  return all;
}

}  // namespace moe
