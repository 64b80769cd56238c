#include "moe/gates/gates_report.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "moe/base/json.h"
#include "moe/base/options/options_json.h"
#include "moe/gates/balanced_kmeans.h"
#include "moe/gates/clustering_options.pb.h"
#include "moe/gates/hidden_clustering.h"
#include "moe/gates/random_selection.h"
#include "moe/gates/random_selection_options.pb.h"

namespace moe {
namespace {

// "3..812": the least and the most.
std::string FormatSpan(const std::vector<int64_t>& counts) {
  const auto [least, most] = std::minmax_element(counts.begin(), counts.end());
  return absl::StrCat(*least, "..", *most);
}

Json RestartsToJson(const Clustering& clustering) {
  Json restarts = Json::array();
  for (const ClusteringRestart& restart : clustering.restarts) {
    restarts.push_back({{"inertia", restart.inertia},
                        {"num_iterations", restart.num_iterations},
                        {"has_converged", restart.has_converged}});
  }
  return restarts;
}

const ClusteringRestart& Best(const Clustering& clustering) {
  return clustering.restarts[static_cast<size_t>(clustering.best_restart)];
}

}  // namespace

Json ClusteringReportToJson(const ClusteringOptions& options,
                            const HiddenClustering& clustering) {
  Json json = Json::object();
  json["options"] = OptionsToJson(options);
  json["layers"] = Json::array();
  for (size_t i = 0; i < clustering.layers.size(); ++i) {
    const ClusteredLayer& layer = clustering.layers[i];
    const Clustering& found = layer.clustering;
    json["layers"].push_back({{"layer", i},
                              {"min_size", found.bounds.min_size},
                              {"max_size", found.bounds.max_size},
                              {"sizes", found.sizes},
                              {"routed_counts", found.routed_counts},
                              {"inertia", Best(found).inertia},
                              {"best_restart", found.best_restart},
                              {"restarts", RestartsToJson(found)},
                              {"seconds", layer.elapsed_sec}});
  }
  return json;
}

std::string FormatClusteringReport(const HiddenClustering& clustering) {
  std::string text =
      absl::StrFormat("  %5s  %13s  %9s  %13s  %12s  %10s  %9s  %7s\n", "layer",
                      "cluster sizes", "allowed", "routed tokens", "inertia",
                      "iterations", "converged", "seconds");
  for (size_t i = 0; i < clustering.layers.size(); ++i) {
    const ClusteredLayer& layer = clustering.layers[i];
    const Clustering& found = layer.clustering;
    const auto converged = std::count_if(
        found.restarts.begin(), found.restarts.end(),
        [](const ClusteringRestart& r) { return r.has_converged; });
    absl::StrAppendFormat(
        &text, "  %5d  %13s  %9s  %13s  %12.6g  %10d  %9s  %7.2f\n", i,
        FormatSpan(found.sizes),
        absl::StrCat(found.bounds.min_size, "..", found.bounds.max_size),
        FormatSpan(found.routed_counts), Best(found).inertia,
        Best(found).num_iterations,
        absl::StrCat(converged, "/", found.restarts.size()), layer.elapsed_sec);
  }
  return text;
}

Json SelectionReportToJson(const RandomSelectionOptions& options,
                           const RandomSelection& selection) {
  Json json = Json::object();
  json["options"] = OptionsToJson(options);
  json["layers"] = Json::array();
  for (size_t i = 0; i < selection.layers.size(); ++i) {
    const SelectedLayer& layer = selection.layers[i];
    json["layers"].push_back({{"layer", i},
                              {"tokens", layer.tokens},
                              {"routed_counts", layer.routed_counts},
                              {"seconds", layer.elapsed_sec}});
  }
  return json;
}

std::string FormatSelectionReport(const RandomSelection& selection) {
  std::string text = absl::StrFormat("  %5s  %15s  %8s\n", "layer",
                                     "routed tokens", "seconds");
  for (size_t i = 0; i < selection.layers.size(); ++i) {
    absl::StrAppendFormat(&text, "  %5d  %15s  %8.2f\n", i,
                          FormatSpan(selection.layers[i].routed_counts),
                          selection.layers[i].elapsed_sec);
  }
  return text;
}

}  // namespace moe
