#include "moe/split/neuron_split.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "moe/base/options/options.h"
#include "moe/base/philox.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/artifact/importance_scores.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/split/neuron_overlap.h"
#include "moe/split/neuron_placement.h"
#include "moe/split/neuron_ranking.h"
#include "moe/split/residual_neurons.h"
#include "moe/split/split_options.h"
#include "moe/split/split_options.pb.h"

namespace moe {
namespace {

void SortRows(Matrix<int64_t>& matrix) {
  for (int64_t e = 0; e < matrix.rows(); ++e) {
    const absl::Span<int64_t> row = matrix.Row(e);
    std::sort(row.begin(), row.end());
  }
}

LayerNeuronIndices SplitLayer(const NeuronPreferences& preferences,
                              const VanillaSplitOptions& options,
                              int64_t expert_size) {
  std::vector<bool> is_taken(static_cast<size_t>(preferences.scores.cols()));
  LayerNeuronIndices split;
  if (options.share_neurons()) {
    split.experts = BestNeurons(preferences.ranking, expert_size, is_taken);
  } else {
    split.experts = PlaceNeurons(preferences, expert_size, is_taken);
    SortRows(split.experts);
  }
  return split;
}

LayerNeuronIndices SplitLayer(const NeuronPreferences& preferences,
                              const ResidualSplitOptions& options,
                              int64_t expert_size) {
  std::vector<bool> is_taken(static_cast<size_t>(preferences.scores.cols()));
  LayerNeuronIndices split;
  split.residual =
      ChooseResidualNeurons(preferences.ranking, expert_size,
                            options.num_experts_residual() * expert_size);
  for (const int64_t neuron : *split.residual) {
    is_taken[static_cast<size_t>(neuron)] = true;
  }
  split.experts = options.share_neurons()
                      ? BestNeurons(preferences.ranking, expert_size, is_taken)
                      : PlaceNeurons(preferences, expert_size, is_taken);
  return split;
}

// Options are valid.
template <typename Options>
absl::StatusOr<NeuronSplit> SplitLayers(const ImportanceScores& scores,
                                        int64_t num_experts,
                                        const Options& options,
                                        ThreadPool& pool) {
  const auto num_layers = static_cast<int64_t>(scores.layers.size());
  const int64_t intermediate_size =
      num_layers == 0 ? 0 : scores.layers.front().scores.cols();
  MOE_RETURN_IF_ERROR(ValidateImportanceScores(
      scores, {num_layers, num_experts, intermediate_size},
      "importance scores"));
  MOE_ASSIGN_OR_RETURN(const int64_t expert_size,
                       ExpertSize(options, intermediate_size));
  NeuronSplit split;
  split.indices.layers.resize(scores.layers.size());
  split.overlaps.resize(scores.layers.size());
  pool.ParallelFor(0, num_layers, 1, [&](int64_t begin, int64_t) {
    const auto layer = static_cast<size_t>(begin);
    const Matrix<float>& of_layer = scores.layers[layer].scores;
    const Matrix<int32_t> ranking = RankNeurons(of_layer, options.criterion());
    LayerNeuronIndices& indices = split.indices.layers[layer];
    indices = SplitLayer({of_layer, ranking, options.criterion()}, options,
                         expert_size);
    split.overlaps[layer] = OverlapOf(ranking, indices);
  });
  return split;
}

}  // namespace

absl::StatusOr<NeuronSplit> SplitNeurons(const ImportanceScores& scores,
                                         const VanillaSplitOptions& options,
                                         ThreadPool& pool) {
  MOE_RETURN_IF_ERROR(CheckOptions(options));
  return SplitLayers(scores, options.num_experts(), options, pool);
}

absl::StatusOr<NeuronSplit> SplitNeuronsWithResidual(
    const ImportanceScores& scores, const ResidualSplitOptions& options,
    ThreadPool& pool) {
  MOE_RETURN_IF_ERROR(CheckOptions(options));
  return SplitLayers(scores, options.num_experts_moe(), options, pool);
}

absl::StatusOr<NeuronIndices> SplitNeuronsNaively(
    const MlpShape& shape, const NaiveSplitOptions& options) {
  MOE_RETURN_IF_ERROR(CheckOptions(options));
  MOE_ASSIGN_OR_RETURN(const int64_t expert_size,
                       ExpertSize(options, shape.intermediate_size));
  NeuronIndices indices;
  for (int64_t layer = 0; layer < shape.num_layers; ++layer) {
    std::vector<int64_t> neurons(static_cast<size_t>(shape.intermediate_size));
    std::iota(neurons.begin(), neurons.end(), int64_t{0});
    if (options.method() == NaiveSplitOptions::RANDOM) {
      RandomStream stream(static_cast<uint64_t>(options.seed()),
                          absl::StrCat("split_random/layer/", layer));
      Shuffle(stream, absl::MakeSpan(neurons));
    }
    Matrix<int64_t> experts(options.num_experts(), expert_size, neurons);
    SortRows(experts);
    indices.layers.push_back({std::move(experts), /*residual=*/{}});
  }
  return indices;
}

}  // namespace moe
