#include "moe/split/neuron_split.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/json.h"
#include "moe/base/options/options.h"
#include "moe/base/options/options_json.h"
#include "moe/base/philox.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/artifact/importance_scores.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/split/neuron_placement.h"
#include "moe/split/split_options.pb.h"

namespace moe::split {
namespace {

void SortRows(base::Matrix<int64_t>& matrix) {
  for (int64_t e = 0; e < matrix.rows(); ++e) {
    const absl::Span<int64_t> row = matrix.Row(e);
    std::sort(row.begin(), row.end());
  }
}

checkpoint::LayerNeuronIndices SplitLayer(const NeuronPreferences& preferences,
                                          const VanillaSplitOptions& options,
                                          int64_t expert_size) {
  std::vector<bool> is_taken(static_cast<size_t>(preferences.scores.cols()));
  checkpoint::LayerNeuronIndices split;
  if (options.share_neurons()) {
    split.experts = BestNeurons(preferences.ranking, expert_size, is_taken);
  } else {
    split.experts = PlaceNeurons(preferences, expert_size, is_taken);
    SortRows(split.experts);
  }
  return split;
}

checkpoint::LayerNeuronIndices SplitLayer(const NeuronPreferences& preferences,
                                          const ResidualSplitOptions& options,
                                          int64_t expert_size) {
  std::vector<bool> is_taken(static_cast<size_t>(preferences.scores.cols()));
  checkpoint::LayerNeuronIndices split;
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

// The options must be valid.
template <typename Options>
absl::StatusOr<NeuronSplit> SplitLayers(
    const checkpoint::ImportanceScores& scores, int64_t num_experts,
    const Options& options, base::ThreadPool& pool) {
  const auto num_layers = static_cast<int64_t>(scores.layers.size());
  const int64_t intermediate_size =
      num_layers == 0 ? 0 : scores.layers.front().scores.cols();
  MOE_RETURN_IF_ERROR(checkpoint::ValidateImportanceScores(
      scores, {num_layers, num_experts, intermediate_size},
      "importance scores"));
  MOE_ASSIGN_OR_RETURN(const int64_t expert_size,
                       ExpertSize(options, intermediate_size));
  NeuronSplit split;
  split.indices.layers.resize(scores.layers.size());
  split.overlaps.resize(scores.layers.size());
  pool.ParallelFor(0, num_layers, 1, [&](int64_t begin, int64_t) {
    const auto layer = static_cast<size_t>(begin);
    const base::Matrix<float>& of_layer = scores.layers[layer].scores;
    const base::Matrix<int32_t> ranking =
        RankNeurons(of_layer, options.criterion());
    checkpoint::LayerNeuronIndices& indices = split.indices.layers[layer];
    indices = SplitLayer({of_layer, ranking, options.criterion()}, options,
                         expert_size);
    split.overlaps[layer] = OverlapOf(ranking, indices);
  });
  return split;
}

// The size of each of `num_parts` parts that share no neuron: they take all.
absl::StatusOr<int64_t> EvenSize(int64_t intermediate_size, int64_t num_parts,
                                 absl::string_view parts) {
  if (intermediate_size % num_parts == 0 && intermediate_size > 0) {
    return intermediate_size / num_parts;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "intermediate size: expected a multiple of ", num_parts, " ", parts,
      ", found ", intermediate_size, "; choose a number that divides it"));
}

absl::StatusOr<int64_t> SharedSize(int64_t intermediate_size, int64_t num_parts,
                                   absl::string_view parts) {
  if (intermediate_size >= num_parts) return intermediate_size / num_parts;
  return absl::InvalidArgumentError(
      absl::StrCat("intermediate size: expected at least ", num_parts, " ",
                   parts, ", found ", intermediate_size));
}

template <typename Options>
absl::StatusOr<int64_t> SizeOf(const Options& options,
                               int64_t intermediate_size, int64_t num_parts,
                               absl::string_view parts) {
  if (!options.has_expert_size()) {
    return options.share_neurons()
               ? SharedSize(intermediate_size, num_parts, parts)
               : EvenSize(intermediate_size, num_parts, parts);
  }
  const int64_t size = options.expert_size();
  if (size > intermediate_size) {
    return absl::InvalidArgumentError(
        absl::StrCat("expert_size: expected 1 to the intermediate size, ",
                     intermediate_size, ", found ", size));
  }
  // A division, because the product may be out of range.
  const bool is_even =
      intermediate_size % size == 0 && intermediate_size / size == num_parts;
  if (options.share_neurons() || is_even) return size;
  return absl::InvalidArgumentError(
      absl::StrCat("expert_size: expected that ", num_parts, " ", parts,
                   " take all ", intermediate_size, " neurons, found ", size,
                   "; leave expert_size out, or set share_neurons"));
}

base::Json LayersToJson(const NeuronSplit& split) {
  base::Json layers = base::Json::array();
  for (size_t i = 0; i < split.overlaps.size(); ++i) {
    const checkpoint::LayerNeuronIndices& indices = split.indices.layers[i];
    const NeuronOverlap& overlap = split.overlaps[i];
    base::Json layer = {{"layer", i}, {"expert_size", indices.experts.cols()}};
    if (indices.residual.has_value()) {
      layer["residual_size"] = indices.residual->size();
    }
    layer["wanted"] = overlap.wanted;
    layer["taken"] = overlap.taken;
    if (indices.residual.has_value()) {
      layer["residual_wanted"] = overlap.residual_wanted;
    }
    layers.push_back(layer);
  }
  return layers;
}

// A histogram as the numbers of none, one and several, and the most:
// "12/300/72, 4 at most".
std::string FormatHistogram(const std::vector<int64_t>& histogram) {
  const auto last = std::find_if(histogram.rbegin(), histogram.rend(),
                                 [](int64_t count) { return count != 0; });
  const int64_t several =
      std::accumulate(histogram.begin() + 2, histogram.end(), int64_t{0});
  return absl::StrFormat("%d/%d/%d, %d at most", histogram[0], histogram[1],
                         several, histogram.rend() - last - 1);
}

double Mean(const std::vector<int64_t>& histogram) {
  int64_t sum = 0, count = 0;
  for (size_t m = 0; m < histogram.size(); ++m) {
    sum += static_cast<int64_t>(m) * histogram[m];
    count += histogram[m];
  }
  return static_cast<double>(sum) /
         static_cast<double>(std::max<int64_t>(1, count));
}

}  // namespace

absl::StatusOr<NeuronSplit> SplitNeurons(
    const checkpoint::ImportanceScores& scores,
    const VanillaSplitOptions& options, base::ThreadPool& pool) {
  MOE_RETURN_IF_ERROR(base::CheckOptions(options));
  return SplitLayers(scores, options.num_experts(), options, pool);
}

absl::StatusOr<NeuronSplit> SplitNeuronsWithResidual(
    const checkpoint::ImportanceScores& scores,
    const ResidualSplitOptions& options, base::ThreadPool& pool) {
  MOE_RETURN_IF_ERROR(base::CheckOptions(options));
  return SplitLayers(scores, options.num_experts_moe(), options, pool);
}

absl::StatusOr<checkpoint::NeuronIndices> SplitNeuronsNaively(
    const MlpShape& shape, const NaiveSplitOptions& options) {
  MOE_RETURN_IF_ERROR(base::CheckOptions(options));
  MOE_ASSIGN_OR_RETURN(const int64_t expert_size,
                       ExpertSize(options, shape.intermediate_size));
  checkpoint::NeuronIndices indices;
  for (int64_t layer = 0; layer < shape.num_layers; ++layer) {
    std::vector<int64_t> neurons(static_cast<size_t>(shape.intermediate_size));
    std::iota(neurons.begin(), neurons.end(), int64_t{0});
    if (options.method() == NaiveSplitOptions::RANDOM) {
      base::RandomStream stream(static_cast<uint64_t>(options.seed()),
                                absl::StrCat("split_random/layer/", layer));
      base::Shuffle(stream, absl::MakeSpan(neurons));
    }
    base::Matrix<int64_t> experts(options.num_experts(), expert_size, neurons);
    SortRows(experts);
    indices.layers.push_back({std::move(experts), /*residual=*/{}});
  }
  return indices;
}

absl::StatusOr<int64_t> ExpertSize(const VanillaSplitOptions& options,
                                   int64_t intermediate_size) {
  return SizeOf(options, intermediate_size, options.num_experts(), "experts");
}

absl::StatusOr<int64_t> ExpertSize(const ResidualSplitOptions& options,
                                   int64_t intermediate_size) {
  const int64_t num_residual = options.num_experts_residual();
  const int64_t num_parts = options.num_experts_moe() + num_residual;
  MOE_ASSIGN_OR_RETURN(const int64_t size,
                       SizeOf(options, intermediate_size, num_parts,
                              "experts (with those of the residual expert)"));
  // Routed experts share the neurons that the residual expert leaves.
  if (size <= intermediate_size / (num_residual + 1)) return size;
  return absl::InvalidArgumentError(absl::StrCat(
      "expert_size: expected 1 to ", intermediate_size / (num_residual + 1),
      ", found ", size, "; the residual expert of ", num_residual,
      " times that size and one routed expert need room among ",
      intermediate_size, " neurons"));
}

absl::StatusOr<int64_t> ExpertSize(const NaiveSplitOptions& options,
                                   int64_t intermediate_size) {
  return EvenSize(intermediate_size, options.num_experts(), "experts");
}

base::Json SplitReportToJson(const VanillaSplitOptions& options,
                             const NeuronSplit& split) {
  base::Json json = base::Json::object();
  json["options"] = base::OptionsToJson(options, {"expert_size"});
  json["layers"] = LayersToJson(split);
  return json;
}

base::Json SplitReportToJson(const ResidualSplitOptions& options,
                             const NeuronSplit& split) {
  base::Json json = base::Json::object();
  json["options"] = base::OptionsToJson(options, {"expert_size"});
  json["layers"] = LayersToJson(split);
  return json;
}

base::Json SplitReportToJson(const NaiveSplitOptions& options,
                             const checkpoint::NeuronIndices& indices) {
  const bool is_random = options.method() == NaiveSplitOptions::RANDOM;
  base::Json json = base::Json::object();
  json["options"]["method"] = is_random ? "random" : "sequential";
  json["options"].update(is_random ? base::OptionsToJson(options)
                                   : base::OptionsToJson(options, {"seed"}));
  json["layers"] = base::Json::array();
  for (size_t i = 0; i < indices.layers.size(); ++i) {
    json["layers"].push_back(
        {{"layer", i}, {"expert_size", indices.layers[i].experts.cols()}});
  }
  return json;
}

std::string FormatSplitReport(const NeuronSplit& split) {
  std::string text =
      "neurons that are among the best of none/one/several experts, and that "
      "so many got:\n";
  absl::StrAppendFormat(&text, "  %5s  %6s  %8s  %28s  %28s  %22s\n", "layer",
                        "expert", "residual", "wanted", "got",
                        "a residual's wanted by");
  for (size_t i = 0; i < split.overlaps.size(); ++i) {
    const checkpoint::LayerNeuronIndices& indices = split.indices.layers[i];
    const NeuronOverlap& overlap = split.overlaps[i];
    const bool has_residual = indices.residual.has_value();
    absl::StrAppendFormat(
        &text, "  %5d  %6d  %8s  %28s  %28s  %22s\n", i, indices.experts.cols(),
        has_residual ? absl::StrCat(indices.residual->size()) : "-",
        FormatHistogram(overlap.wanted), FormatHistogram(overlap.taken),
        has_residual
            ? absl::StrFormat("%.2f experts", Mean(overlap.residual_wanted))
            : "-");
  }
  return text;
}

}  // namespace moe::split
