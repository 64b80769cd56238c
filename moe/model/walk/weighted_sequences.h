// Sequences, and what each counts in the loss.

#ifndef MOE_MODEL_WALK_WEIGHTED_SEQUENCES_H_
#define MOE_MODEL_WALK_WEIGHTED_SEQUENCES_H_

#include <cstdint>
#include <vector>

#include "moe/text/dataset/token_batches.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe {

// Loss = sum over sequences s of weights[s] times the sum of the cross
// entropies of its predicted tokens.
struct WeightedSequences {
  TokenSequences sequences;
  std::vector<float> weights;  // [num_sequences]

  friend bool operator==(const WeightedSequences&,
                         const WeightedSequences&) = default;
};

// With these weights the loss is the sum of the batches' means over their
// labels (those that are not ignored, of every token but the first of a
// sequence): one over the number of labels of the sequence's batch, and 0 in a
// batch without labels.
WeightedSequences WeighByBatch(const TokenBatches& batches);

// The same in an order that depends on what they are alone: by input ids, then
// labels, then weight, ascending. For sums that are cut into chunks of tokens
// and are to be the same in whatever order the sequences came.
WeightedSequences InCanonicalOrder(const WeightedSequences& all);

// Sequences [begin, end).
WeightedSequences SubRange(const WeightedSequences& all, int64_t begin,
                           int64_t end);

// The same of sequences that are not weighed.
TokenSequences InCanonicalOrder(const TokenSequences& all);
TokenSequences SubRange(const TokenSequences& all, int64_t begin, int64_t end);

}  // namespace moe

#endif  // MOE_MODEL_WALK_WEIGHTED_SEQUENCES_H_
