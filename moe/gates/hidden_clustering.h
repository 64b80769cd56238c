// Router weights from the clusters of the tokens: each layer's MLP inputs are
// clustered, and the centroids are the rows of its router (LLaMA-MoE v2, the
// gate construction by balanced k-means).

#ifndef MOE_GATES_HIDDEN_CLUSTERING_H_
#define MOE_GATES_HIDDEN_CLUSTERING_H_

#include <vector>

#include "absl/status/statusor.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/gates/balanced_kmeans.h"
#include "moe/gates/clustering_options.pb.h"
#include "moe/model/walk/dense_model.h"
#include "moe/model/walk/walk_options.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe {

struct ClusteredLayer {
  Clustering clustering;
  double elapsed_sec = 0.0;  // Without the walk.
};

struct HiddenClustering {
  GateWeights gate_weights;  // The centroids, [num_experts, hidden_size] each.
  std::vector<ClusteredLayer> layers;
};

// For every layer, ClusterBalanced of x_t, the MLP's inputs of all tokens of
// all sequences, from the stream "hidden_clustering/layer/L". One walk over the
// model, with the x_t of one layer kept at a time.
//
// Bits: all but the times is a function of the model, the sequences and the
// options.
//
// The errors of CheckClustering, before the walk, ClusteringMemory::Reserve,
// WalkForward and ClusterBalanced.
absl::StatusOr<HiddenClustering> ClusterHiddenStates(
    DenseModel& model, const TokenSequences& sequences,
    const ClusteringOptions& options, const WalkOptions& walk_options,
    const WalkResources& resources);

}  // namespace moe

#endif  // MOE_GATES_HIDDEN_CLUSTERING_H_
