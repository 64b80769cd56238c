// A checkpoint with random weights, and tokens to go through it: what walks are
// measured on.

#ifndef BENCHMARKS_RANDOM_CHECKPOINT_H_
#define BENCHMARKS_RANDOM_CHECKPOINT_H_

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe {

// On a disk, in a directory that is gone with the object.
class RandomCheckpoint {
 public:
  // In BF16, of the configuration in the text of a config.json, dense or with
  // experts.
  explicit RandomCheckpoint(absl::string_view config_text);
  RandomCheckpoint(const RandomCheckpoint&) = delete;
  RandomCheckpoint& operator=(const RandomCheckpoint&) = delete;
  ~RandomCheckpoint();

  std::string path() const { return absl::StrCat(directory_, "/checkpoint"); }

 private:
  std::string directory_;
};

// `num_sequences` of `num_tokens` tokens each, every token labelled.
TokenSequences RandomTokens(int64_t num_sequences, int64_t num_tokens,
                            int64_t vocab_size);

}  // namespace moe

#endif  // BENCHMARKS_RANDOM_CHECKPOINT_H_
