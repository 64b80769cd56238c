// The tokens that a step of the pipeline sees, in order, cut into batches.
//
// The sequences of a batch share one mean of the loss. Nothing is padded, so
// nothing else depends on which sequences are in a batch.

#ifndef MOE_TEXT_DATASET_TOKEN_BATCHES_H_
#define MOE_TEXT_DATASET_TOKEN_BATCHES_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "moe/text/dataset/dataset_options.pb.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::text {

class TokenBatches {
 public:
  // Sequences [begin, end).
  struct Batch {
    int64_t begin = 0;
    int64_t end = 0;
  };

  TokenBatches() = default;

  // Cuts the sequences, in their order, into batches of `batch_size`
  // (positive); the last batch has the rest. No batch is empty.
  TokenBatches(TokenSequences sequences, int64_t batch_size);

  int64_t num_batches() const;
  Batch batch(int64_t b) const;

  const TokenSequences& sequences() const { return sequences_; }
  int64_t num_sequences() const { return sequences_.num_sequences(); }
  int64_t num_tokens() const { return sequences_.num_tokens(); }
  // The token ids of sequence i, in the order of the batches.
  absl::Span<const int32_t> input_ids(int64_t i) const {
    return sequences_.input_ids(i);
  }
  // The labels, not shifted; kIgnoredLabel for a token that the loss ignores.
  absl::Span<const int32_t> labels(int64_t i) const {
    return sequences_.labels(i);
  }

  // SHA-256, in hexadecimal, of the batches, independent of the file that they
  // came from. It covers these little-endian integers, of 8 bytes unless stated
  // otherwise: the number of batches; for each batch the number of its
  // sequences; for each of these the number of its tokens, the ids in 4 bytes
  // each, the labels in 4 bytes each (two's complement).
  std::string Digest() const;

 private:
  TokenSequences sequences_;
  int64_t batch_size_ = 1;
};

// The indices of the sequences that the options draw, in the order in which the
// step sees them: the first max_steps * batch_size of a permutation of all by
// RandomStream(seed, "dataset/shuffle") and Shuffle, or of their own order with
// no_shuffle. A sequence is never drawn twice; a smaller dataset gives fewer
// steps, because a repeated token adds nothing to what is measured on it. A
// function of the arguments alone. The options must be valid.
std::vector<int64_t> DrawSequences(int64_t num_sequences,
                                   const BatchOptions& options);

// Copies the sequences of DrawSequences and cuts them into batches.
// InvalidArgument if the options are not valid. Memory: a copy of the
// sequences, unless all are drawn in their own order.
absl::StatusOr<TokenBatches> MakeBatches(TokenSequences sequences,
                                         const BatchOptions& options);

}  // namespace moe::text

#endif  // MOE_TEXT_DATASET_TOKEN_BATCHES_H_
