// The rotary position embedding of a configuration: frequencies with the
// scaling that it asks for, and tables of sines and cosines for sequences.
//
// Made once before a walk, for the lengths of its sequences; the decoder layers
// share it. The arithmetic is that of transformers in float32
// (modeling_rope_utils.py), every operation rounded to float, with correctly
// rounded functions (moe/kernels/math); so the tables are the same everywhere.

#ifndef MOE_MODEL_LAYER_ROTARY_TABLES_H_
#define MOE_MODEL_LAYER_ROTARY_TABLES_H_

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/kernels/rows/rope.h"

namespace moe {

// Frequencies [head_dim / 2] for a sequence of `sequence_length` tokens:
//   default  f_i = 1 / theta^(2i / head_dim)
//   linear   f_i / factor
//   dynamic  f_i for theta * (factor * n / p - (factor - 1))^(d / (d - 2)), d =
//            head_dim, p = max_position_embeddings, n = max(sequence_length, p)
//            ("NTK-aware" scaling). Of the sequence's own length: transformers
//            keeps the longest that it has seen since a short one, so that a
//            result there depends on what came before.
//   llama3   with w_i = 2 pi / f_i and the original context c:
//            f_i                    where w_i < c / high_freq_factor
//            f_i / factor           where w_i > c / low_freq_factor
//            (1 - s) f_i / factor + s f_i       between, where
//            s = (c / w_i - low_freq_factor) / (high_freq_factor -
//            low_freq_factor)
// InvalidArgument if a frequency is not finite and positive, or the type is
// dynamic and head_dim 2.
absl::StatusOr<std::vector<float>> ScaledRopeFrequencies(
    const LlamaConfig& config, int64_t sequence_length);

class RotaryTables {
 public:
  // For sequences of each of `sequence_lengths`. One table serves them all,
  // unless the type is dynamic: then every length over max_position_embeddings
  // has its own. 4 * head_dim bytes a position. InvalidArgument as above;
  // ResourceExhausted, with the longest length that would do, if an angle
  // exceeds kMaxAngle (a million positions where the largest frequency is 1).
  static absl::StatusOr<RotaryTables> Create(
      const LlamaConfig& config, absl::Span<const int64_t> sequence_lengths,
      ThreadPool& pool);

  // The table for a sequence of that length, which is one of those given to
  // Create or, in a table that several share, shorter than one of them.
  const RopeTable& ForLength(int64_t sequence_length) const;

 private:
  RotaryTables(int64_t shared_length, std::map<int64_t, RopeTable> tables)
      : shared_length_(shared_length), tables_(std::move(tables)) {}

  // Sequences up to this length have the table of the key 0.
  int64_t shared_length_;
  std::map<int64_t, RopeTable> tables_;
};

}  // namespace moe

#endif  // MOE_MODEL_LAYER_ROTARY_TABLES_H_
