// The rotary position embedding of a configuration: its scaled frequencies, and
// tables of sines and cosines for sequences.
//
// A walk makes the tables once, for the lengths of its sequences, and all
// decoder layers share them. The arithmetic is that of transformers in float32
// (modeling_rope_utils.py): every operation is rounded to float. Functions are
// correctly rounded (moe/kernels/math), so that the tables are the same on
// every machine.

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

namespace moe::model {

// Frequencies [head_dim / 2] for a sequence of `sequence_length` tokens:
//   default  f_i = 1 / theta^(2i / head_dim)
//   linear   f_i / factor
//   dynamic  f_i for theta * (factor * n / p - (factor - 1))^(d / (d - 2)), d =
//            head_dim, p = max_position_embeddings, n = max(sequence_length, p)
//            ("NTK-aware" scaling). n is the sequence's own length.
//            transformers takes the longest since the last short sequence, so
//            that its result depends on earlier sequences.
//   llama3   with w_i = 2 pi / f_i and the original context c:
//            f_i                            if w_i < c / high_freq_factor
//            f_i / factor                   if w_i > c / low_freq_factor
//            (1 - s) f_i / factor + s f_i   otherwise, with
//            s = (c / w_i - low_freq_factor) /
//                (high_freq_factor - low_freq_factor)
// InvalidArgument if a frequency is not finite and positive, or the type is
// dynamic and head_dim 2.
absl::StatusOr<std::vector<float>> ScaledRopeFrequencies(
    const checkpoint::LlamaConfig& config, int64_t sequence_length);

class RotaryTables {
 public:
  // Tables for sequences of each of `sequence_lengths`. One table serves all of
  // them, but with type dynamic every length above max_position_embeddings has
  // its own. Takes 4 * head_dim bytes for a position. InvalidArgument as above;
  // ResourceExhausted, with the longest length that is possible, if an angle
  // exceeds kMaxAngle (a million positions if the largest frequency is 1).
  static absl::StatusOr<RotaryTables> Create(
      const checkpoint::LlamaConfig& config,
      absl::Span<const int64_t> sequence_lengths, base::ThreadPool& pool);

  // The table for a sequence of that length. It must be one of the lengths
  // given to Create or, for a table that several share, shorter than one of
  // them.
  const kernels::RopeTable& ForLength(int64_t sequence_length) const;

 private:
  RotaryTables(int64_t shared_length,
               std::map<int64_t, kernels::RopeTable> tables)
      : shared_length_(shared_length), tables_(std::move(tables)) {}

  // Sequences up to this length use the table with key 0.
  int64_t shared_length_;
  std::map<int64_t, kernels::RopeTable> tables_;
};

}  // namespace moe::model

#endif  // MOE_MODEL_LAYER_ROTARY_TABLES_H_
