// The importance of each MLP neuron for each cluster of tokens (LLaMA-MoE v2,
// "Gradient Split Plus"): the first-order change of the loss if the activation
// of the neuron became 0.
//
// For layer l, cluster c and neuron n:
//
//   score[l][c][n] = (1 / |{t: c(t) = c}|) sum over t with c(t) = c of
//                    |g_t[n] a_t[n]|
//
// where a_t is the input of down_proj for token t, g_t = dLoss/da_t, and c(t) =
// argmax_e x_t . router_e, ties to the lowest e. A cluster without tokens has
// score 0. The loss of a batch is the mean cross entropy over its labels.
//
// Sums are order-free (moe/kernels/sums). So several workers can each take a
// shard of the tokens: their sums, merged in any order, have the bits of one
// worker's.

#ifndef MOE_SPLIT_NEURON_IMPORTANCE_H_
#define MOE_SPLIT_NEURON_IMPORTANCE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "moe/base/json.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/checkpoint/artifact/importance_scores.h"
#include "moe/kernels/sums/centroid_sums.h"
#include "moe/kernels/sums/feature_sums.h"
#include "moe/model/walk/dense_model.h"
#include "moe/model/walk/shard_options.pb.h"
#include "moe/model/walk/walk_options.h"
#include "moe/text/dataset/token_batches.h"

namespace moe::split {

// The sums that scores are made of.
class ImportanceSums {
 public:
  struct Shape {
    int64_t num_layers = 0;
    int64_t num_clusters = 0;
    int64_t intermediate_size = 0;
    friend bool operator==(const Shape&, const Shape&) = default;
  };

  explicit ImportanceSums(const Shape& shape);

  // The memory of sums of that shape.
  static int64_t SizeBytes(const Shape& shape);

  Shape shape() const;
  int64_t num_tokens() const { return loss_.num_tokens(); }

  // Adds the sums of other tokens. InvalidArgument if the shapes differ or both
  // objects have sums of the same token.
  absl::Status Merge(const ImportanceSums& other);

  // The sums divided by the counts, in double, rounded to float.
  checkpoint::ImportanceScores Scores() const;

  // InvalidArgument if no token predicts a label: all scores would be 0.
  absl::Status CheckLabels() const;

  // The mean cross entropy over all labels; 0 if there are none.
  double MeanLoss() const;
  int64_t NumPredictedTokens() const;

  // For the files of shards: the sums in the form of sums_record.h, with the
  // names "layers.I" and "loss".
  using Records = std::map<std::string, std::string>;
  Records ToRecords() const;
  // The errors of CentroidSums::Parse, with the name; InvalidArgument if a
  // record is missing, there are too many, or their shapes, tokens or kinds
  // differ.
  static absl::StatusOr<ImportanceSums> FromRecords(const Records& records);

  // For the summing code, which adds tokens by the rules of FeatureSums.
  kernels::CentroidSums& layer(int64_t i) {
    return layers_[static_cast<size_t>(i)];
  }
  // Its features: the cross entropy, and 1 if the token predicts a label.
  kernels::FeatureSums& loss() { return loss_; }
  absl::Status Finish();

 private:
  std::vector<kernels::CentroidSums> layers_;
  kernels::FeatureSums loss_;
};

struct ImportanceInputs {
  const text::TokenBatches& batches;
  const checkpoint::GateWeights& gates;  // [num_clusters, hidden_size] each.
  ShardOptions shard;
};

// Sums over the tokens of a shard; over all tokens if the options are not set.
//
// Chunks and shards cut the tokens in the canonical order of their sequences
// (InCanonicalOrder), so that the order of sequences and batches does not
// matter. The bits are a function of the model, the gates and the set of
// sequences, each with the number of labels in its batch.
//
// Cost: a walk back over the sequences that have tokens of the shard; for every
// layer and token E H multiply-adds and 2 I operations. Memory: that of
// WalkBack, and 24 bytes for each score.
//
// Errors: those of ValidateShardOptions, ValidateGateWeights (the gates belong
// to another model), WalkBack and TopExperts.
absl::StatusOr<ImportanceSums> SumNeuronImportance(
    model::DenseModel& model, const ImportanceInputs& inputs,
    const model::WalkOptions& walk_options,
    const model::WalkResources& resources);

// {"num_clusters", "loss", "num_predicted_tokens", "layers": [{"layer",
// "token_counts", "empty_clusters", "mean_score", "max_score"}]}. "loss" is the
// mean cross entropy over all labels. "empty_clusters" have no token, and their
// scores are 0. "mean_score" is over all clusters and neurons.
base::Json ImportanceReportToJson(const ImportanceSums& sums,
                                  const checkpoint::ImportanceScores& scores);

// The loss, and a line for each layer: least and most tokens of a cluster, the
// number of empty clusters, mean score and largest score.
std::string FormatImportanceReport(const ImportanceSums& sums,
                                   const checkpoint::ImportanceScores& scores);

}  // namespace moe::split

#endif  // MOE_SPLIT_NEURON_IMPORTANCE_H_
