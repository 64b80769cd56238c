#include "moe/split/split_report.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "moe/base/json.h"
#include "moe/base/options/options_json.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/split/neuron_overlap.h"
#include "moe/split/neuron_split.h"
#include "moe/split/split_options.pb.h"

namespace moe {
namespace {

Json LayersToJson(const NeuronSplit& split) {
  Json layers = Json::array();
  for (size_t i = 0; i < split.overlaps.size(); ++i) {
    const LayerNeuronIndices& indices = split.indices.layers[i];
    const NeuronOverlap& overlap = split.overlaps[i];
    Json layer = {{"layer", i}, {"expert_size", indices.experts.cols()}};
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

// Of a histogram: "12/300/72, 4 at most": none, one, several.
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

Json SplitReportToJson(const VanillaSplitOptions& options,
                       const NeuronSplit& split) {
  Json json = Json::object();
  json["options"] = OptionsToJson(options, {"expert_size"});
  json["layers"] = LayersToJson(split);
  return json;
}

Json SplitReportToJson(const ResidualSplitOptions& options,
                       const NeuronSplit& split) {
  Json json = Json::object();
  json["options"] = OptionsToJson(options, {"expert_size"});
  json["layers"] = LayersToJson(split);
  return json;
}

Json SplitReportToJson(const NaiveSplitOptions& options,
                       const NeuronIndices& indices) {
  const bool is_random = options.method() == NaiveSplitOptions::RANDOM;
  Json json = Json::object();
  json["options"]["method"] = is_random ? "random" : "sequential";
  json["options"].update(is_random ? OptionsToJson(options)
                                   : OptionsToJson(options, {"seed"}));
  json["layers"] = Json::array();
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
    const LayerNeuronIndices& indices = split.indices.layers[i];
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

}  // namespace moe
