// Sequences with their weights in the loss.

#ifndef MOE_MODEL_WALK_WEIGHTED_SEQUENCES_H_
#define MOE_MODEL_WALK_WEIGHTED_SEQUENCES_H_

#include <cstdint>
#include <vector>

#include "moe/text/dataset/token_batches.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::model {

// Loss = sum over sequences s of weights[s] times the sum of the cross
// entropies of its predicted tokens.
struct WeightedSequences {
  text::TokenSequences sequences;
  std::vector<float> weights;  // [num_sequences]

  friend bool operator==(const WeightedSequences&,
                         const WeightedSequences&) = default;
};

// Weighs each sequence by 1 / (the number of labels in its batch), or 0 if the
// batch has no labels. The loss is then the sum of the mean losses of the
// batches. The labels that count are those that are not ignored, without the
// first of each sequence.
WeightedSequences WeighByBatch(const text::TokenBatches& batches);

// The same sequences in ascending order of input ids, then labels, then weight.
// With it, sums over chunks of tokens do not depend on the order in which the
// sequences came.
WeightedSequences InCanonicalOrder(const WeightedSequences& all);

// The sequences [begin, end).
WeightedSequences SubRange(const WeightedSequences& all, int64_t begin,
                           int64_t end);

// The same for sequences without weights.
text::TokenSequences InCanonicalOrder(const text::TokenSequences& all);
text::TokenSequences SubRange(const text::TokenSequences& all, int64_t begin,
                              int64_t end);

}  // namespace moe::model

#endif  // MOE_MODEL_WALK_WEIGHTED_SEQUENCES_H_
