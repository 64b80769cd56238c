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

#include "absl/status/statusor.h"
#include "moe/align/distribution_sums.h"
#include "moe/model/walk/model.h"
#include "moe/model/walk/shard_options.pb.h"
#include "moe/model/walk/walk_options.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe {

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

}  // namespace moe

#endif  // MOE_ALIGN_HIDDEN_DISTRIBUTION_H_
