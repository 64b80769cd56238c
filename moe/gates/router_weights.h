// Router weights from hidden states: the steps hidden_clustering and
// random_selection, and their reports.

#ifndef MOE_GATES_ROUTER_WEIGHTS_H_
#define MOE_GATES_ROUTER_WEIGHTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "moe/base/json.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/gates/balanced_kmeans.h"
#include "moe/gates/clustering_options.pb.h"
#include "moe/gates/random_selection_options.pb.h"
#include "moe/model/walk/dense_model.h"
#include "moe/model/walk/walk_options.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::gates {

struct ClusteredLayer {
  Clustering clustering;
  double elapsed_sec = 0.0;  // Without the walk.
};

struct HiddenClustering {
  checkpoint::GateWeights
      gate_weights;  // The centroids, [num_experts, hidden_size] each.
  std::vector<ClusteredLayer> layers;
};

// Makes each router from the clusters of its layer's tokens: the rows are the
// centroids (LLaMA-MoE v2, gate construction by balanced k-means).
//
// For every layer, runs ClusterBalanced on the MLP inputs x_t of all tokens of
// all sequences, with the stream "hidden_clustering/layer/L". Walks over the
// model once and keeps the x_t of one layer at a time.
//
// Bits: everything but the times is a function of the model, the sequences and
// the options.
//
// Errors: those of CheckClustering, before the walk; ClusteringMemory::Reserve,
// WalkForward and ClusterBalanced.
absl::StatusOr<HiddenClustering> ClusterHiddenStates(
    model::DenseModel& model, const text::TokenSequences& sequences,
    const ClusteringOptions& options, const model::WalkOptions& walk_options,
    const model::WalkResources& resources);

struct SelectedLayer {
  // Row i of the router is x_t for token t = tokens[i]. Tokens are numbered
  // over all sequences.
  std::vector<int64_t> tokens;
  std::vector<int64_t> routed_counts;  // As RoutedCounts.
  double elapsed_sec = 0.0;            // Without the walk.
};

struct RandomSelection {
  checkpoint::GateWeights gate_weights;  // [num_experts, hidden_size] each
  std::vector<SelectedLayer> layers;
};

// Makes each router from random features: the MLP inputs x_t of `num_experts`
// different tokens of its layer.
//
// Draws the tokens without replacement from RandomStream(seed,
// "random_selection/layer/L"). Skips a token whose x_t equals one that was
// drawn before, because two equal rows would leave one expert without tokens.
// This happens where texts begin alike: x_t depends only on the tokens before
// it.
//
// Walks over the model once. Bits: gate weights and counts are a function of
// the model, the sequences and the options.
//
// InvalidArgument if an option is not valid, or a layer has fewer different x_t
// than experts; the errors of WalkForward.
absl::StatusOr<RandomSelection> SelectHiddenStates(
    model::DenseModel& model, const text::TokenSequences& sequences,
    const RandomSelectionOptions& options,
    const model::WalkOptions& walk_options,
    const model::WalkResources& resources);

// {"options": {...}, "layers": [{"layer", "min_size", "max_size", "sizes",
// "routed_counts", "inertia", "best_restart", "restarts": [{"inertia",
// "num_iterations", "has_converged"}], "seconds"}]}
base::Json ClusteringReportToJson(const ClusteringOptions& options,
                                  const HiddenClustering& clustering);
// A line for each layer: least and most tokens of a cluster, least and most
// allowed, least and most tokens routed to an expert; inertia and iterations of
// the best restart; the number of restarts that converged; seconds.
std::string FormatClusteringReport(const HiddenClustering& clustering);

// {"options": {...}, "layers": [{"layer", "tokens", "routed_counts",
// "seconds"}]}
base::Json SelectionReportToJson(const RandomSelectionOptions& options,
                                 const RandomSelection& selection);
// A line for each layer: least and most tokens routed to an expert; seconds.
std::string FormatSelectionReport(const RandomSelection& selection);

}  // namespace moe::gates

#endif  // MOE_GATES_ROUTER_WEIGHTS_H_
