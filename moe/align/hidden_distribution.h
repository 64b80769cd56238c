// The mean and the variance of the output of every block of a model (LLaMA-MoE
// v2, "hidden distribution"). An alignment restores them in a converted model.
//
// For the attention and the MLP of every layer, with y_t the output of the
// block for token t before it is added to the hidden state, and each feature i:
//
//   mean[i]     = (1 / T) sum over t of y_t[i]
//   variance[i] = (1 / T) sum over t of (y_t[i] - mean[i])^2
//
// Both are rounded once, from the order-free sums of Moments
// (moe/kernels/sums). So several workers can share the tokens, as for
// moe/split/neuron_importance.h.

#ifndef MOE_ALIGN_HIDDEN_DISTRIBUTION_H_
#define MOE_ALIGN_HIDDEN_DISTRIBUTION_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "moe/base/json.h"
#include "moe/checkpoint/artifact/distribution.h"
#include "moe/kernels/sums/moments.h"
#include "moe/model/walk/model.h"
#include "moe/model/walk/shard_options.pb.h"
#include "moe/model/walk/walk_options.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::align {

// The memory of Moments: two sums of 16 bytes for each feature, and two doubles
// for each sum in an open chunk.
inline constexpr int64_t kMomentsBytesPerFeature = 64;

// The sums must be finished and have at least one token.
checkpoint::FeatureMoments FeatureMomentsOf(const kernels::Moments& sums);

class DistributionSums {
 public:
  struct Shape {
    int64_t num_layers = 0;
    int64_t hidden_size = 0;
    friend bool operator==(const Shape&, const Shape&) = default;
  };

  explicit DistributionSums(const Shape& shape);

  // The memory of sums of that shape.
  static int64_t SizeBytes(const Shape& shape);

  Shape shape() const;
  int64_t num_tokens() const;

  // Adds the sums of other tokens. InvalidArgument if the shapes differ or both
  // objects have sums of the same token.
  absl::Status Merge(const DistributionSums& other);

  // InvalidArgument if there are no tokens.
  absl::StatusOr<checkpoint::Distribution> ToDistribution() const;

  // For the files of shards: the sums in the form of sums_record.h, with the
  // names "layers.I.attn" and "layers.I.mlp".
  using Records = std::map<std::string, std::string>;
  Records ToRecords() const;
  // The errors of Moments::Parse, with the name; InvalidArgument if a record is
  // missing, there are too many, or their sizes or tokens differ.
  static absl::StatusOr<DistributionSums> FromRecords(const Records& records);

  // For the summing code, which adds tokens by the rules of Moments.
  kernels::Moments& attention(int64_t layer) { return blocks_[IndexOf(layer)]; }
  kernels::Moments& mlp(int64_t layer) { return blocks_[IndexOf(layer) + 1]; }
  absl::Status Finish();

 private:
  static size_t IndexOf(int64_t layer) {
    return static_cast<size_t>(2 * layer);
  }
  static std::string NameOf(size_t index);

  // For each layer the attention, then the MLP.
  std::vector<kernels::Moments> blocks_;
};

// Sums over the tokens of a shard; over all tokens if the options are not set.
// The model may be dense or have experts.
//
// Chunks and shards cut the tokens in the canonical order of their sequences
// (InCanonicalOrder), so that the order of sequences does not matter. The bits
// are a function of the model and the set of sequences.
//
// Cost: a walk over the sequences that have tokens of the shard, and 34 H
// operations in double for every layer and token. Memory: that of WalkForward
// and of the sums.
//
// Errors: InvalidArgument if there are no tokens; those of
// ValidateShardOptions, CheckSequences, WalkForward and Moments.
absl::StatusOr<DistributionSums> SumHiddenDistribution(
    model::Model& model, const text::TokenSequences& sequences,
    const ShardOptions& shard, const model::WalkOptions& walk_options,
    const model::WalkResources& resources);

// {"hidden_size", "blocks": [{"layer", "part", "num_tokens",
// "largest_abs_mean", "least_variance", "largest_variance",
// "num_dead_features"}]}. DeadFeatures defines which features are dead.
base::Json DistributionReportToJson(
    const checkpoint::Distribution& distribution);

// The same numbers, a line for each block.
std::string FormatDistributionReport(
    const checkpoint::Distribution& distribution);

}  // namespace moe::align

#endif  // MOE_ALIGN_HIDDEN_DISTRIBUTION_H_
