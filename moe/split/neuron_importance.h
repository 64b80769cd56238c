// How much each neuron of the MLPs matters to each cluster of tokens (LLaMA-MoE
// v2, "Gradient Split Plus": the first-order change of the loss were the
// neuron's activation 0).
//
// For layer l, cluster c and neuron n, with a_t the input of down_proj for
// token t, g_t = dLoss/da_t, and c(t) the expert that the gate weights put
// first for the token, argmax_e x_t . gate_e, ties to the lowest e:
//
//   score[l][c][n] = (1 / |{t: c(t) = c}|) sum over t with c(t) = c of
//                    |g_t[n] a_t[n]|
//
// and 0 for a cluster without tokens. The loss is, for every batch, the mean
// cross entropy over its labels.
//
// Sums are order-free (moe/kernels/sums), so the work can be shared out: each
// worker takes a shard of the tokens, and the sums merged, in any order, have
// the bits of those of one worker.

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

namespace moe {

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

  // Bytes of the sums of that shape.
  static int64_t SizeBytes(const Shape& shape);

  Shape shape() const;
  int64_t num_tokens() const { return loss_.num_tokens(); }

  // Adds the sums of other tokens. InvalidArgument if the shapes differ or both
  // have sums of the same token.
  absl::Status Merge(const ImportanceSums& other);

  // The sums over the counts in double, rounded to float.
  ImportanceScores Scores() const;

  // InvalidArgument if no token predicts a label: then all scores are 0, and
  // say nothing.
  absl::Status CheckLabels() const;

  // The mean cross entropy over all labels; 0 where there are none.
  double MeanLoss() const;
  int64_t NumPredictedTokens() const;

  // For files of parts: the sums in sums_record.h's form by name, "layers.I"
  // and "loss".
  using Records = std::map<std::string, std::string>;
  Records ToRecords() const;
  // The errors of CentroidSums::Parse, with the name; InvalidArgument if
  // records are missing, too many, of different shapes, tokens or kinds.
  static absl::StatusOr<ImportanceSums> FromRecords(const Records& records);

  // For those who sum. Tokens come as FeatureSums wants them.
  CentroidSums& layer(int64_t i) { return layers_[static_cast<size_t>(i)]; }
  // Features: the cross entropy; 1 where a label is predicted.
  FeatureSums& loss() { return loss_; }
  absl::Status Finish();

 private:
  std::vector<CentroidSums> layers_;
  FeatureSums loss_;
};

struct ImportanceInputs {
  const TokenBatches& batches;
  const GateWeights& gates;  // [num_clusters, hidden_size] each.
  ShardOptions shard;
};

// The sums over the tokens of a shard; without options, of all.
//
// Chunks and shards are of the tokens in the canonical order of their
// sequences (InCanonicalOrder), so the order of sequences and batches does not
// matter: the bits are a function of the model, the gates, and of which
// sequences there are, each with the number of labels in its batch.
//
// Cost: a walk back over the sequences that have tokens of the shard, and for
// every layer and token E H multiply-adds and 2 I operations. Memory: that of
// WalkBack and 24 bytes for each score.
//
// The errors of ValidateShardOptions, ValidateGateWeights, where the gates are
// those of another model, WalkBack and TopExperts.
absl::StatusOr<ImportanceSums> SumNeuronImportance(
    DenseModel& model, const ImportanceInputs& inputs,
    const WalkOptions& walk_options, const WalkResources& resources);

// What is worth knowing of importance scores beside the scores: as JSON and as
// a table.

// {"num_clusters", "loss", "num_predicted_tokens", "layers": [{"layer",
// "token_counts", "empty_clusters", "mean_score", "max_score"}]}. "loss" is the
// mean cross entropy over all labels, "empty_clusters" are those that no token
// came to, whose scores are 0; the mean is over all clusters and neurons.
Json ImportanceReportToJson(const ImportanceSums& sums,
                            const ImportanceScores& scores);

// The loss, and a line for each layer: the least and the most tokens of a
// cluster, how many clusters are empty, and the mean and largest score.
std::string FormatImportanceReport(const ImportanceSums& sums,
                                   const ImportanceScores& scores);

}  // namespace moe

#endif  // MOE_SPLIT_NEURON_IMPORTANCE_H_
