// The decoder layers of a dense LLaMA through LibTorch's operators, one layer's
// weights in memory at a time.
//
// Part of moe/model/aten; not under the numerics contract. What a layer
// computes is in moe/model/layer/decoder_layer.h, and the angles of the rotary
// embedding are the same to the bit. Which sequences go together is the
// caller's choice.
//
// Its users hold LibTorch's types and see its exceptions.

#ifndef MOE_MODEL_ATEN_ATEN_DECODER_LAYERS_H_
#define MOE_MODEL_ATEN_ATEN_DECODER_LAYERS_H_

#include <ATen/core/ATen_fwd.h>

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/model/aten/aten_options.h"
#include "moe/model/layer/rotary_tables.h"

namespace moe {

// Sequences [begin, end) of all. Sequence i has the rows [offsets[i],
// offsets[i + 1]) of the hidden states.
struct AtenBatch {
  absl::Span<const int64_t> offsets;
  int64_t begin = 0;
  int64_t end = 0;

  int64_t FirstRow() const;
  int64_t NumRows() const;
};

// InvalidArgument, as moe/model/layer/activation_error.h says it, if an element
// of x [rows, features], the rows of all sequences from `first_row` on, is NaN
// or infinite. Waits for the device.
absl::Status CheckAtenFinite(absl::string_view what,
                             absl::Span<const int64_t> offsets,
                             const at::Tensor& x, int64_t first_row);

// x / sqrt(mean(x^2) + epsilon) * weight for every row of x [rows, H], float32
// as the weight [H].
at::Tensor AtenRmsNorm(const at::Tensor& x, const at::Tensor& weight,
                       double epsilon);

// About how many floats Forward takes for a batch of `num_rows` tokens: 2 H +
// 5 Q + 2 K a token, 3 H + 3 I for each of 1024 in the MLP, and at most
// kMaxAttentionScores.
int64_t AtenLayerActivations(const LlamaConfig& config, int64_t num_rows);

class AtenDecoderLayers {
 public:
  // Keeps references to the model and to the tables.
  AtenDecoderLayers(const AtenModel& model, const RotaryTables& rotary,
                    AtenDevice device, AtenProducts products);
  ~AtenDecoderLayers();

  // Takes the weights of layer `layer` to the device, after those that were
  // there are gone. The errors of reading and of NaN or infinite weights.
  absl::Status Read(int64_t layer);

  // Puts the output of the layer that was read last in place of its input, in
  // the batch's rows of `hidden` [num_tokens, H], float32, on the device.
  // InvalidArgument, with the sequence and the position, for an activation that
  // is NaN or infinite; the caller adds the layer.
  //
  // Beside hidden, takes AtenLayerActivations.
  absl::Status Forward(const AtenBatch& batch, const at::Tensor& hidden);

 private:
  class Impl;

  const std::unique_ptr<Impl> impl_;
};

}  // namespace moe

#endif  // MOE_MODEL_ATEN_ATEN_DECODER_LAYERS_H_
