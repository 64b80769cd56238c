#include "moe/reconstruct/energy_report.h"

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
#include "moe/reconstruct/energy_split.h"
#include "moe/reconstruct/energy_split_options.pb.h"

namespace moe {
namespace {

double Share(double part, double whole) {
  return whole > 0.0 ? part / whole : 0.0;
}

struct Loads {
  double least = 0.0;
  double largest = 0.0;
};

Loads LoadsOf(const EnergySplitLayer& layer) {
  const auto [least, largest] =
      std::minmax_element(layer.loads.begin(), layer.loads.end());
  const auto sum = static_cast<double>(
      std::accumulate(layer.loads.begin(), layer.loads.end(), int64_t{0}));
  const double even = sum / static_cast<double>(layer.loads.size());
  return {static_cast<double>(*least) / even,
          static_cast<double>(*largest) / even};
}

double Captured(const EnergySplitLayer& layer) {
  return layer.captured[static_cast<size_t>(layer.best_iteration)];
}

size_t NumShared(const LayerNeuronIndices& indices) {
  return indices.residual.has_value() ? indices.residual->size() : 0;
}

}  // namespace

Json EnergySplitReportToJson(const EnergySplitOptions& options,
                             const EnergySplit& split) {
  Json json = Json::object();
  json["options"] = OptionsToJson(options);
  json["layers"] = Json::array();
  for (size_t i = 0; i < split.layers.size(); ++i) {
    const EnergySplitLayer& layer = split.layers[i];
    const LayerNeuronIndices& indices = split.neuron_indices.layers[i];
    const Loads loads = LoadsOf(layer);
    std::vector<double> by_iteration;
    for (const double captured : layer.captured) {
      by_iteration.push_back(Share(captured, layer.routed));
    }
    json["layers"].push_back(
        {{"layer", i},
         {"expert_size", indices.experts.cols()},
         {"shared_size", NumShared(indices)},
         {"shared_share", Share(layer.shared, layer.shared + layer.routed)},
         {"captured_share", Share(Captured(layer), layer.routed)},
         {"oracle_share", Share(layer.oracle, layer.routed)},
         {"captured_by_iteration", by_iteration},
         {"best_iteration", layer.best_iteration},
         {"least_load", loads.least},
         {"largest_load", loads.largest},
         {"seconds", layer.elapsed_sec}});
  }
  return json;
}

std::string FormatEnergySplitReport(const EnergySplit& split) {
  std::string text =
      absl::StrFormat("  %5s  %18s  %13s  %8s  %6s  %14s  %11s  %7s\n", "layer",
                      "shared + experts", "shared energy", "captured", "oracle",
                      "best iteration", "load", "seconds");
  for (size_t i = 0; i < split.layers.size(); ++i) {
    const EnergySplitLayer& layer = split.layers[i];
    const LayerNeuronIndices& indices = split.neuron_indices.layers[i];
    const Loads loads = LoadsOf(layer);
    absl::StrAppendFormat(
        &text, "  %5d  %18s  %13.4f  %8.4f  %6.4f  %14s  %11s  %7.2f\n", i,
        absl::StrCat(NumShared(indices), " + ", indices.experts.rows(), " x ",
                     indices.experts.cols()),
        Share(layer.shared, layer.shared + layer.routed),
        Share(Captured(layer), layer.routed), Share(layer.oracle, layer.routed),
        absl::StrCat(layer.best_iteration + 1, "/", layer.captured.size()),
        absl::StrFormat("%.2f..%.2f", loads.least, loads.largest),
        layer.elapsed_sec);
  }
  return text;
}

}  // namespace moe
