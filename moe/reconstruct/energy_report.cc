#include "moe/reconstruct/energy_report.h"

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "moe/base/json.h"
#include "moe/base/options/options_json.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/reconstruct/energy_split.h"
#include "moe/reconstruct/energy_split_options.pb.h"
#include "moe/reconstruct/split_report.h"

namespace moe::reconstruct {
namespace {

double Captured(const EnergySplitLayer& layer) {
  return layer.captured[static_cast<size_t>(layer.best_iteration)];
}

}  // namespace

base::Json EnergySplitReportToJson(const EnergySplitOptions& options,
                                   const EnergySplit& split) {
  base::Json json = base::Json::object();
  json["options"] = base::OptionsToJson(options);
  json["layers"] = base::Json::array();
  for (size_t i = 0; i < split.layers.size(); ++i) {
    const EnergySplitLayer& layer = split.layers[i];
    const checkpoint::LayerNeuronIndices& indices =
        split.neuron_indices.layers[i];
    const LoadRange loads = LoadRangeOf(layer.loads);
    std::vector<double> by_iteration;
    for (const double captured : layer.captured) {
      by_iteration.push_back(ShareOf(captured, layer.routed));
    }
    json["layers"].push_back(
        {{"layer", i},
         {"expert_size", indices.experts.cols()},
         {"shared_size", NumShared(indices)},
         {"shared_share", ShareOf(layer.shared, layer.shared + layer.routed)},
         {"captured_share", ShareOf(Captured(layer), layer.routed)},
         {"oracle_share", ShareOf(layer.oracle, layer.routed)},
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
    const checkpoint::LayerNeuronIndices& indices =
        split.neuron_indices.layers[i];
    const LoadRange loads = LoadRangeOf(layer.loads);
    absl::StrAppendFormat(
        &text, "  %5d  %18s  %13.4f  %8.4f  %6.4f  %14s  %11s  %7.2f\n", i,
        FormatSizes(indices),
        ShareOf(layer.shared, layer.shared + layer.routed),
        ShareOf(Captured(layer), layer.routed),
        ShareOf(layer.oracle, layer.routed),
        absl::StrCat(layer.best_iteration + 1, "/", layer.captured.size()),
        FormatLoadRange(loads), layer.elapsed_sec);
  }
  return text;
}

}  // namespace moe::reconstruct
