// The mean and the variance of what every block of a model puts out (LLaMA-MoE
// v2, "hidden distribution"): the reference that an alignment brings the blocks
// of a converted model back to.
//
// For every layer, of the attention's and of the MLP's output, before it is
// added to the hidden state, for each feature i over all tokens t:
//
//   mean[i]     = (1 / T) sum over t of y_t[i]
//   variance[i] = (1 / T) sum over t of (y_t[i] - mean[i])^2
//
// as moe/kernels/sums/moments.h computes them: each rounded once, from sums
// that are order-free, so that the work can be shared out as that of
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

namespace moe {

// Bytes of Moments: two sums of 16 bytes a feature, and in an open chunk two
// doubles for each.
inline constexpr int64_t kMomentsBytesPerFeature = 64;

// Mean, variance and number. The sums are finished and of one token at least.
FeatureMoments FeatureMomentsOf(const Moments& sums);

class DistributionSums {
 public:
  struct Shape {
    int64_t num_layers = 0;
    int64_t hidden_size = 0;
    friend bool operator==(const Shape&, const Shape&) = default;
  };

  explicit DistributionSums(const Shape& shape);

  // Bytes of the sums of that shape.
  static int64_t SizeBytes(const Shape& shape);

  Shape shape() const;
  int64_t num_tokens() const;

  // Adds the sums of other tokens. InvalidArgument if the shapes differ or both
  // have sums of the same token.
  absl::Status Merge(const DistributionSums& other);

  // InvalidArgument if there are no tokens: they have no mean.
  absl::StatusOr<Distribution> ToDistribution() const;

  // For files of parts: the sums in sums_record.h's form by name, "layers.I"
  // and ".attn" or ".mlp".
  using Records = std::map<std::string, std::string>;
  Records ToRecords() const;
  // The errors of Moments::Parse, with the name; InvalidArgument if records are
  // missing, too many, or of different sizes or tokens.
  static absl::StatusOr<DistributionSums> FromRecords(const Records& records);

  // For those who sum. Tokens come as Moments wants them.
  Moments& attention(int64_t layer) { return blocks_[IndexOf(layer)]; }
  Moments& mlp(int64_t layer) { return blocks_[IndexOf(layer) + 1]; }
  absl::Status Finish();

 private:
  static size_t IndexOf(int64_t layer) {
    return static_cast<size_t>(2 * layer);
  }
  static std::string NameOf(size_t index);

  // Of each layer that of the attention, then that of the MLP.
  std::vector<Moments> blocks_;
};

// The sums over the tokens of a shard; without options, of all. Of a dense
// model or one with experts.
//
// Chunks and shards are of the tokens in the canonical order of their sequences
// (InCanonicalOrder), so the order of sequences does not matter: the bits are a
// function of the model and of which sequences there are.
//
// Cost: a walk over the sequences that have tokens of the shard, and 34 H
// operations in double for every layer and token. Memory: that of WalkForward,
// and of the sums.
//
// InvalidArgument if there are no tokens; the errors of ValidateShardOptions,
// CheckSequences, WalkForward and Moments.
absl::StatusOr<DistributionSums> SumHiddenDistribution(
    Model& model, const TokenSequences& sequences, const ShardOptions& shard,
    const WalkOptions& walk_options, const WalkResources& resources);

// What is worth knowing of a hidden distribution beside its moments: as JSON
// and as a table.

// {"hidden_size", "blocks": [{"layer", "part", "num_tokens",
// "largest_abs_mean", "least_variance", "largest_variance",
// "num_dead_features"}]}. A feature is dead as DeadFeatures says.
Json DistributionReportToJson(const Distribution& distribution);

// A line for each block, likewise.
std::string FormatDistributionReport(const Distribution& distribution);

}  // namespace moe

#endif  // MOE_ALIGN_HIDDEN_DISTRIBUTION_H_
