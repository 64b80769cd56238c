#include "moe/split/neuron_overlap.h"

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "moe/base/matrix.h"
#include "moe/checkpoint/artifact/neuron_indices.h"

namespace moe {
namespace {

// By neuron: in how many rows' first `list_size` columns it stands.
template <typename T>
std::vector<int64_t> CountLists(const Matrix<T>& lists, int64_t list_size,
                                int64_t num_neurons) {
  std::vector<int64_t> counts(static_cast<size_t>(num_neurons));
  for (int64_t e = 0; e < lists.rows(); ++e) {
    for (const T neuron : lists.Row(e).first(static_cast<size_t>(list_size))) {
      ++counts[static_cast<size_t>(neuron)];
    }
  }
  return counts;
}

std::vector<int64_t> Histogram(absl::Span<const int64_t> counts,
                               int64_t num_experts) {
  std::vector<int64_t> histogram(static_cast<size_t>(num_experts) + 1);
  for (const int64_t count : counts) ++histogram[static_cast<size_t>(count)];
  return histogram;
}

}  // namespace

NeuronOverlap OverlapOf(const Matrix<int32_t>& ranking,
                        const LayerNeuronIndices& split) {
  const int64_t num_experts = ranking.rows(), size = split.experts.cols();
  const std::vector<int64_t> wanted = CountLists(ranking, size, ranking.cols());
  NeuronOverlap overlap;
  overlap.wanted = Histogram(wanted, num_experts);
  overlap.taken =
      Histogram(CountLists(split.experts, size, ranking.cols()), num_experts);
  if (split.residual.has_value()) {
    std::vector<int64_t> of_residual;
    for (const int64_t neuron : *split.residual) {
      of_residual.push_back(wanted[static_cast<size_t>(neuron)]);
    }
    overlap.residual_wanted = Histogram(of_residual, num_experts);
  }
  return overlap;
}

}  // namespace moe
