// The groups of sequences that go through a layer together.
//
// A group has enough tokens for fast matrix products and few enough for their
// activations to fit in memory. No bit depends on the groups: a sequence's
// results do not depend on its neighbours (moe/model/layer/decoder_layer.h).

#ifndef MOE_MODEL_WALK_SEQUENCE_GROUPS_H_
#define MOE_MODEL_WALK_SEQUENCE_GROUPS_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace moe::model {

struct SequenceGroup {
  int64_t first_sequence = 0;
  int64_t first_token = 0;
  // From 0: sequence first_sequence + i has the rows [offsets[i],
  // offsets[i + 1]) of the group.
  std::vector<int64_t> offsets;

  int64_t num_tokens() const { return offsets.back(); }
  int64_t end_token() const { return first_token + num_tokens(); }
};

// Groups of consecutive sequences, in order, with at most `tokens_at_once`
// (positive) tokens each. A longer sequence is alone. `offsets` has
// num_sequences + 1 entries, ascending from 0.
std::vector<SequenceGroup> GroupSequences(absl::Span<const int64_t> offsets,
                                          int64_t tokens_at_once);

// The length of the longest sequence; 0 if there is none.
int64_t LongestSequence(absl::Span<const int64_t> offsets);

}  // namespace moe::model

#endif  // MOE_MODEL_WALK_SEQUENCE_GROUPS_H_
