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

#include "absl/status/statusor.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/model/walk/dense_model.h"
#include "moe/model/walk/shard_options.pb.h"
#include "moe/model/walk/walk_options.h"
#include "moe/split/importance_sums.h"
#include "moe/text/dataset/token_batches.h"

namespace moe {

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

}  // namespace moe

#endif  // MOE_SPLIT_NEURON_IMPORTANCE_H_
