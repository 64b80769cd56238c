#include "moe/reconstruct/rate_report.h"

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/str_format.h"
#include "moe/base/json.h"
#include "moe/base/options/options_json.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/reconstruct/rate_split.h"
#include "moe/reconstruct/rate_split_options.pb.h"
#include "moe/reconstruct/split_report.h"

namespace moe::reconstruct {
namespace {

struct Shares {
  double shared = 0.0;
  double captured = 0.0;
  double oracle = 0.0;
};

double ShareOfCounts(int64_t part, int64_t whole) {
  return ShareOf(static_cast<double>(part), static_cast<double>(whole));
}

Shares SharesOf(const ActivationRateSplitLayer& layer) {
  return {ShareOfCounts(layer.shared, layer.shared + layer.routed),
          ShareOfCounts(layer.captured, layer.routed),
          ShareOfCounts(layer.oracle, layer.routed)};
}

}  // namespace

base::Json ActivationRateSplitReportToJson(
    const ActivationRateSplitOptions& options,
    const ActivationRateSplit& split) {
  base::Json json = base::Json::object();
  json["options"] = base::OptionsToJson(options);
  json["layers"] = base::Json::array();
  for (size_t i = 0; i < split.layers.size(); ++i) {
    const ActivationRateSplitLayer& layer = split.layers[i];
    const checkpoint::LayerNeuronIndices& indices =
        split.neuron_indices.layers[i];
    const Shares shares = SharesOf(layer);
    const LoadRange loads = LoadRangeOf(layer.loads);
    json["layers"].push_back({{"layer", i},
                              {"expert_size", indices.experts.cols()},
                              {"shared_size", NumShared(indices)},
                              {"shared_share", shares.shared},
                              {"captured_share", shares.captured},
                              {"oracle_share", shares.oracle},
                              {"iterations", layer.spread.size()},
                              {"spread_by_iteration", layer.spread},
                              {"representatives", layer.representatives},
                              {"least_load", loads.least},
                              {"largest_load", loads.largest},
                              {"seconds", layer.elapsed_sec}});
  }
  return json;
}

std::string FormatActivationRateSplitReport(const ActivationRateSplit& split) {
  std::string text =
      absl::StrFormat("  %5s  %18s  %12s  %8s  %6s  %10s  %11s  %7s\n", "layer",
                      "shared + experts", "shared rates", "captured", "oracle",
                      "iterations", "load", "seconds");
  for (size_t i = 0; i < split.layers.size(); ++i) {
    const ActivationRateSplitLayer& layer = split.layers[i];
    const Shares shares = SharesOf(layer);
    absl::StrAppendFormat(
        &text, "  %5d  %18s  %12.4f  %8.4f  %6.4f  %10d  %11s  %7.2f\n", i,
        FormatSizes(split.neuron_indices.layers[i]), shares.shared,
        shares.captured, shares.oracle, layer.spread.size(),
        FormatLoadRange(LoadRangeOf(layer.loads)), layer.elapsed_sec);
  }
  return text;
}

}  // namespace moe::reconstruct
