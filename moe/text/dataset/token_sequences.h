// Token sequences of different lengths, one after another in one array: what a
// dataset is once it is tokenized.
//
// There is no padding anywhere. Memory: 8 bytes a sequence and 4 a token, and 4
// more a token once a label is not its token's id, as those of texts all are;
// up to twice that while sequences are added.

#ifndef MOE_TEXT_DATASET_TOKEN_SEQUENCES_H_
#define MOE_TEXT_DATASET_TOKEN_SEQUENCES_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace moe::text {

class TokenSequences {
 public:
  TokenSequences() = default;

  // Takes arrays from a file. `offsets` has num_sequences + 1 entries, from 0
  // to the number of ids, each larger than the one before; `labels` has as many
  // entries as `input_ids`; ids lie in [0, vocab_size), labels too or are
  // kIgnoredLabel. InvalidArgument, with the array, the index and the value,
  // otherwise.
  static absl::StatusOr<TokenSequences> FromArrays(
      std::vector<int32_t> input_ids, std::vector<int32_t> labels,
      std::vector<int64_t> offsets, int64_t vocab_size);

  // Adds a sequence, which has at least one token and as many labels.
  void Append(absl::Span<const int32_t> input_ids,
              absl::Span<const int32_t> labels);

  int64_t num_sequences() const {
    return static_cast<int64_t>(offsets_.size()) - 1;
  }
  int64_t num_tokens() const { return offsets_.back(); }

  // Sequence i's. Valid until the next Append.
  absl::Span<const int32_t> input_ids(int64_t i) const;
  absl::Span<const int32_t> labels(int64_t i) const;

  // All sequences': [num_tokens] each, and [num_sequences + 1].
  absl::Span<const int32_t> input_ids() const { return input_ids_; }
  absl::Span<const int32_t> labels() const {
    return labels_.empty() ? input_ids_ : labels_;
  }
  absl::Span<const int64_t> offsets() const { return offsets_; }

  friend bool operator==(const TokenSequences& a, const TokenSequences& b) {
    return a.input_ids() == b.input_ids() && a.labels() == b.labels() &&
           a.offsets() == b.offsets();
  }

 private:
  std::vector<int32_t> input_ids_;
  std::vector<int32_t> labels_;  // Empty while each is its token's id.
  std::vector<int64_t> offsets_ = {0};
};

// How many tokens a loss over these labels predicts: a model predicts each
// token but the first of a sequence, of those whose label is not ignored.
int64_t NumPredictedTokens(absl::Span<const int32_t> labels);

}  // namespace moe::text

#endif  // MOE_TEXT_DATASET_TOKEN_SEQUENCES_H_
