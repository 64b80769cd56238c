#include "moe/gates/hidden_clustering.h"

#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "moe/base/status_macros.h"
#include "moe/gates/balanced_kmeans.h"
#include "moe/gates/clustering_options.pb.h"
#include "moe/gates/mlp_inputs.h"
#include "moe/model/walk/dense_model.h"
#include "moe/model/walk/hidden_states.h"
#include "moe/model/walk/walk_options.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe {

absl::StatusOr<HiddenClustering> ClusterHiddenStates(
    DenseModel& model, const TokenSequences& sequences,
    const ClusteringOptions& options, const WalkOptions& walk_options,
    const WalkResources& resources) {
  MOE_RETURN_IF_ERROR(CheckClustering(sequences.num_tokens(), options));
  MOE_ASSIGN_OR_RETURN(const ClusteringMemory memory,
                       ClusteringMemory::Reserve(
                           {sequences.num_tokens(), model.config().hidden_size,
                            resources.pool.num_threads()},
                           options, resources.budget));
  HiddenClustering result;
  const auto cluster = [&](int64_t layer,
                           HiddenStates& inputs) -> absl::Status {
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

}  // namespace moe
