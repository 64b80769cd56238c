// Models with random weights, and random tokens, for benchmarks.

#ifndef BENCHMARKS_RANDOM_MODEL_H_
#define BENCHMARKS_RANDOM_MODEL_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "moe/text/dataset/token_batches.h"

namespace moe::benchmarks {

// A config.json with the shape of SmolLM2-135M.
inline constexpr char kSmolLm2[] =
    R"({"model_type": "llama", "vocab_size": 49152,
  "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30,
  "num_attention_heads": 9, "num_key_value_heads": 3, "rope_theta": 100000,
  "rms_norm_eps": 1e-5, "tie_word_embeddings": true})";

// A checkpoint with random weights in BF16, dense or with experts, for the text
// of a config.json. The weights have variance 1 / (last dimension); the norms
// are ones. The destructor removes the checkpoint.
class RandomCheckpoint {
 public:
  explicit RandomCheckpoint(absl::string_view config_text);
  RandomCheckpoint(const RandomCheckpoint&) = delete;
  RandomCheckpoint& operator=(const RandomCheckpoint&) = delete;
  ~RandomCheckpoint();

  std::string path() const;

 private:
  std::string directory_;
};

// `num_sequences` sequences of `num_tokens` tokens, in batches of one. Every
// token has a label.
text::TokenBatches RandomTokens(int64_t num_sequences, int64_t num_tokens,
                                int64_t vocab_size);

}  // namespace moe::benchmarks

#endif  // BENCHMARKS_RANDOM_MODEL_H_
