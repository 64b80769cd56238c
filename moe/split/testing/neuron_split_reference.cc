#include "moe/split/testing/neuron_split_reference.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "moe/base/matrix.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/split/split_options.pb.h"

namespace moe::split::reference {
namespace {

using Lists = std::vector<std::vector<int64_t>>;

// The scores such that larger is better.
std::vector<std::vector<double>> Goodness(const base::Matrix<float>& scores,
                                          SplitCriterion::Value criterion) {
  std::vector<std::vector<double>> goodness;
  for (int64_t e = 0; e < scores.rows(); ++e) {
    goodness.emplace_back();
    for (const float score : scores.Row(e)) {
      goodness.back().push_back(criterion == SplitCriterion::MAX
                                    ? static_cast<double>(score)
                                    : -static_cast<double>(score));
    }
  }
  return goodness;
}

// The first `size` of the neurons that are left, sorted stably by goodness.
std::vector<int64_t> Best(const std::vector<double>& goodness,
                          const std::set<int64_t>& left, int64_t size) {
  std::vector<int64_t> neurons(left.begin(), left.end());
  std::stable_sort(neurons.begin(), neurons.end(), [&](int64_t a, int64_t b) {
    return goodness[static_cast<size_t>(a)] > goodness[static_cast<size_t>(b)];
  });
  neurons.resize(std::min(neurons.size(), static_cast<size_t>(size)));
  return neurons;
}

// Neuron by neuron, each time over everything that is left.
Lists Place(const std::vector<std::vector<double>>& goodness,
            std::set<int64_t> left, int64_t expert_size) {
  Lists experts(goodness.size());
  while (true) {
    int64_t winner = -1, neuron = -1;
    double best = 0.0;
    for (size_t e = 0; e < experts.size(); ++e) {
      if (static_cast<int64_t>(experts[e].size()) == expert_size) continue;
      for (const int64_t n : left) {
        const double found = goodness[e][static_cast<size_t>(n)];
        // A later expert wins a tie, a later neuron does not.
        const bool is_other_expert = winner != static_cast<int64_t>(e);
        if (winner < 0 || found > best || (found == best && is_other_expert)) {
          winner = static_cast<int64_t>(e);
          neuron = n;
          best = found;
        }
      }
    }
    if (winner < 0) return experts;
    experts[static_cast<size_t>(winner)].push_back(neuron);
    left.erase(neuron);
  }
}

Lists BestOfEach(const std::vector<std::vector<double>>& goodness,
                 const std::set<int64_t>& left, int64_t size) {
  Lists experts;
  for (const std::vector<double>& row : goodness) {
    experts.push_back(Best(row, left, size));
  }
  return experts;
}

std::vector<int64_t> Residual(const std::vector<std::vector<double>>& goodness,
                              std::set<int64_t>& left, int64_t list_size,
                              int64_t count) {
  std::vector<int64_t> residual;
  while (static_cast<int64_t>(residual.size()) < count) {
    std::map<int64_t, int64_t> lists_with;
    for (const auto& list : BestOfEach(goodness, left, list_size)) {
      for (const int64_t neuron : list) ++lists_with[neuron];
    }
    int64_t most = 0;
    for (const auto& [neuron, lists] : lists_with) most = std::max(most, lists);
    for (const auto& [neuron, lists] : lists_with) {
      if (lists != most) continue;
      if (static_cast<int64_t>(residual.size()) == count) break;
      residual.push_back(neuron);
      left.erase(neuron);
    }
  }
  return residual;
}

std::set<int64_t> AllNeurons(int64_t count) {
  std::set<int64_t> all;
  for (int64_t n = 0; n < count; ++n) all.insert(n);
  return all;
}

base::Matrix<int64_t> ToMatrix(const Lists& lists) {
  base::Matrix<int64_t> matrix(static_cast<int64_t>(lists.size()),
                               static_cast<int64_t>(lists.front().size()));
  for (size_t e = 0; e < lists.size(); ++e) {
    std::copy(lists[e].begin(), lists[e].end(),
              matrix.Row(static_cast<int64_t>(e)).begin());
  }
  return matrix;
}

}  // namespace

checkpoint::LayerNeuronIndices SplitNeurons(const base::Matrix<float>& scores,
                                            const VanillaSplitOptions& options,
                                            int64_t expert_size) {
  const auto goodness = Goodness(scores, options.criterion());
  const std::set<int64_t> left = AllNeurons(scores.cols());
  if (options.share_neurons()) {
    return {ToMatrix(BestOfEach(goodness, left, expert_size)), {}};
  }
  Lists experts = Place(goodness, left, expert_size);
  for (auto& expert : experts) std::sort(expert.begin(), expert.end());
  return {ToMatrix(experts), {}};
}

checkpoint::LayerNeuronIndices SplitNeuronsWithResidual(
    const base::Matrix<float>& scores, const ResidualSplitOptions& options,
    int64_t expert_size) {
  const auto goodness = Goodness(scores, options.criterion());
  std::set<int64_t> left = AllNeurons(scores.cols());
  std::vector<int64_t> residual =
      Residual(goodness, left, expert_size,
               options.num_experts_residual() * expert_size);
  const Lists experts = options.share_neurons()
                            ? BestOfEach(goodness, left, expert_size)
                            : Place(goodness, left, expert_size);
  return {ToMatrix(experts), std::move(residual)};
}

}  // namespace moe::split::reference
