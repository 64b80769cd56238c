#include "moe/convert/neuron_use.h"

#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "moe/base/matrix.h"
#include "moe/checkpoint/artifact/neuron_indices.h"

namespace moe {

absl::StatusOr<NeuronIndices> SplitSequentially(const SequentialSplit& split) {
  if (split.intermediate_size % split.num_experts != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "num_experts is ", split.num_experts,
        ", which does not divide intermediate_size, ", split.intermediate_size,
        "; choose one that does, or give neuron indices"));
  }
  LayerNeuronIndices layer;
  layer.experts = Matrix<int64_t>(split.num_experts,
                                  split.intermediate_size / split.num_experts);
  std::iota(layer.experts.values().begin(), layer.experts.values().end(),
            int64_t{0});
  NeuronIndices indices;
  indices.layers.assign(static_cast<size_t>(split.num_layers), layer);
  return indices;
}

NeuronUse CountUse(const LayerNeuronIndices& layer, int64_t intermediate_size) {
  std::vector<int64_t> counts(static_cast<size_t>(intermediate_size));
  const auto count = [&](absl::Span<const int64_t> neurons) {
    for (const int64_t neuron : neurons) ++counts[static_cast<size_t>(neuron)];
  };
  count(layer.experts.values());
  if (layer.residual.has_value()) count(*layer.residual);
  NeuronUse use;
  for (const int64_t c : counts) {
    use.num_unused += c == 0 ? 1 : 0;
    use.num_shared += c > 1 ? 1 : 0;
  }
  return use;
}

}  // namespace moe
