#include "moe/gates/router_weights.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "moe/base/json.h"
#include "moe/base/options/options.h"
#include "moe/base/options/options_json.h"
#include "moe/base/philox.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/gates/balanced_kmeans.h"
#include "moe/gates/clustering_options.pb.h"
#include "moe/gates/mlp_inputs.h"
#include "moe/gates/random_selection_options.pb.h"
#include "moe/model/walk/dense_model.h"
#include "moe/model/walk/hidden_states.h"
#include "moe/model/walk/walk_options.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::gates {
namespace {

// The least and the most: "3..812".
std::string FormatSpan(const std::vector<int64_t>& counts) {
  const auto [least, most] = std::minmax_element(counts.begin(), counts.end());
  return absl::StrCat(*least, "..", *most);
}

base::Json RestartsToJson(const Clustering& clustering) {
  base::Json restarts = base::Json::array();
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

bool HasRow(const base::Matrix<float>& matrix, int64_t num_rows,
            absl::Span<const float> row) {
  for (int64_t r = 0; r < num_rows; ++r) {
    if (matrix.Row(r) == row) return true;
  }
  return false;
}

// Fills `rows` with different rows of `inputs`. Returns their numbers.
absl::StatusOr<std::vector<int64_t>> DrawRows(model::HiddenStates& inputs,
                                              base::RandomStream stream,
                                              base::Matrix<float>& rows) {
  std::vector<int64_t> order(static_cast<size_t>(inputs.num_tokens()));
  std::iota(order.begin(), order.end(), int64_t{0});
  base::Shuffle(stream, absl::MakeSpan(order));
  std::vector<int64_t> tokens;
  base::Matrix<float> buffer;
  for (const int64_t token : order) {
    const auto count = static_cast<int64_t>(tokens.size());
    if (count == rows.rows()) break;
    MOE_ASSIGN_OR_RETURN(const base::MatrixView<const float> view,
                         inputs.Load(token, token + 1, buffer));
    const absl::Span<const float> row = view.Row(0);
    if (HasRow(rows, count, row)) continue;
    std::copy(row.begin(), row.end(), rows.Row(count).begin());
    tokens.push_back(token);
  }
  if (static_cast<int64_t>(tokens.size()) < rows.rows()) {
    return absl::InvalidArgumentError(
        absl::StrCat("num_experts: expected at most ", tokens.size(),
                     ", the different hidden states of ", inputs.num_tokens(),
                     " tokens, found ", rows.rows(), "; use more text"));
  }
  return tokens;
}

}  // namespace

base::Json ClusteringReportToJson(const ClusteringOptions& options,
                                  const HiddenClustering& clustering) {
  base::Json json = base::Json::object();
  json["options"] = base::OptionsToJson(options);
  json["layers"] = base::Json::array();
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

base::Json SelectionReportToJson(const RandomSelectionOptions& options,
                                 const RandomSelection& selection) {
  base::Json json = base::Json::object();
  json["options"] = base::OptionsToJson(options);
  json["layers"] = base::Json::array();
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

absl::StatusOr<HiddenClustering> ClusterHiddenStates(
    model::DenseModel& model, const text::TokenSequences& sequences,
    const ClusteringOptions& options, const model::WalkOptions& walk_options,
    const model::WalkResources& resources) {
  MOE_RETURN_IF_ERROR(CheckClustering(sequences.num_tokens(), options));
  MOE_ASSIGN_OR_RETURN(const ClusteringMemory memory,
                       ClusteringMemory::Reserve(
                           {sequences.num_tokens(), model.config().hidden_size,
                            resources.pool.num_threads()},
                           options, resources.budget));
  HiddenClustering result;
  const auto cluster = [&](int64_t layer,
                           model::HiddenStates& inputs) -> absl::Status {
    const absl::Time start = absl::Now();
    const ClusteringResources work = {
        memory, resources.pool, [&](absl::string_view detail) {
          resources.progress.SetDetail(
              absl::StrCat("layer ", layer, ": ", detail));
        }};
    MOE_ASSIGN_OR_RETURN(
        Clustering clustering,
        ClusterBalanced(inputs, options,
                        absl::StrCat("hidden_clustering/layer/", layer), work));
    result.gate_weights.layers.push_back(std::move(clustering.centroids));
    result.layers.push_back(
        {std::move(clustering), absl::ToDoubleSeconds(absl::Now() - start)});
    return absl::OkStatus();
  };
  MOE_RETURN_IF_ERROR(
      ForEachMlpInputs(model, sequences, walk_options, resources, cluster));
  return result;
}

absl::StatusOr<RandomSelection> SelectHiddenStates(
    model::DenseModel& model, const text::TokenSequences& sequences,
    const RandomSelectionOptions& options,
    const model::WalkOptions& walk_options,
    const model::WalkResources& resources) {
  MOE_RETURN_IF_ERROR(base::CheckOptions(options));
  MOE_RETURN_IF_ERROR(
      CheckEnoughTokens(sequences.num_tokens(), options.num_experts()));
  RandomSelection selection;
  const auto select = [&](int64_t layer,
                          model::HiddenStates& inputs) -> absl::Status {
    const absl::Time start = absl::Now();
    SelectedLayer selected;
    base::Matrix<float> rows(options.num_experts(), inputs.hidden_size());
    MOE_ASSIGN_OR_RETURN(
        selected.tokens,
        DrawRows(
            inputs,
            base::RandomStream(static_cast<uint64_t>(options.seed()),
                               absl::StrCat("random_selection/layer/", layer)),
            rows));
    MOE_ASSIGN_OR_RETURN(selected.routed_counts,
                         RoutedCounts(inputs, rows.view(), resources.pool));
    selected.elapsed_sec = absl::ToDoubleSeconds(absl::Now() - start);
    selection.layers.push_back(std::move(selected));
    selection.gate_weights.layers.push_back(std::move(rows));
    return absl::OkStatus();
  };
  MOE_RETURN_IF_ERROR(
      ForEachMlpInputs(model, sequences, walk_options, resources, select));
  return selection;
}

}  // namespace moe::gates
