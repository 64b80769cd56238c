// The decoder layers of a dense LLaMA through LibTorch's operators, one layer's
// weights in memory at a time.
//
// Part of moe/model/aten; not under the numerics contract.
// moe/model/layer/decoder_layer.h says what a layer computes. The angles of the
// rotary embedding are the same to the bit. The caller chooses which sequences
// go together.
//
// Callers use LibTorch's types and see its exceptions.

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

namespace moe::model {

// The sequences [begin, end) of all. Sequence i has the rows [offsets[i],
// offsets[i + 1]) of the hidden states.
struct AtenBatch {
  absl::Span<const int64_t> offsets;
  int64_t begin = 0;
  int64_t end = 0;

  int64_t FirstRow() const;
  int64_t NumRows() const;
};

// The error of moe/model/layer/activation_error.h if an element of x [rows,
// features] is NaN or infinite. The rows of x are those of all sequences from
// `first_row` on. Waits for the device.
absl::Status CheckAtenFinite(absl::string_view what,
                             absl::Span<const int64_t> offsets,
                             const at::Tensor& x, int64_t first_row);

// x / sqrt(mean(x^2) + epsilon) * weight for every row of x [rows, H]. x and
// the weight [H] are float32.
at::Tensor AtenRmsNorm(const at::Tensor& x, const at::Tensor& weight,
                       double epsilon);

// About the number of floats that Forward takes for a batch of `num_rows`
// tokens: 2 H + 5 Q + 2 K for each token, 3 H + 3 I for each of 1024 rows in
// the MLP, and at most kMaxAttentionScores.
int64_t AtenLayerActivations(const checkpoint::LlamaConfig& config,
                             int64_t num_rows);

class AtenDecoderLayers {
 public:
  // Keeps references to the model and to the tables.
  AtenDecoderLayers(const AtenModel& model, const RotaryTables& rotary,
                    AtenDevice device, AtenProducts products);
  ~AtenDecoderLayers();

  // Frees the weights on the device and loads those of layer `layer`. Returns
  // errors of reading, and an error if a weight is NaN or infinite.
  absl::Status Read(int64_t layer);

  // Replaces the batch's rows of `hidden` [num_tokens, H], float32, on the
  // device, by the output of the layer that was read last. InvalidArgument,
  // with the sequence and the position, for an activation that is NaN or
  // infinite. The caller adds the layer to the message.
  //
  // Takes AtenLayerActivations floats beside `hidden`.
  absl::Status Forward(const AtenBatch& batch, const at::Tensor& hidden);

 private:
  class Impl;

  const std::unique_ptr<Impl> impl_;
};

}  // namespace moe::model

#endif  // MOE_MODEL_ATEN_ATEN_DECODER_LAYERS_H_
