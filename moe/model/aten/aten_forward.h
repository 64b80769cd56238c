// The forward pass of a dense LLaMA through LibTorch's own operators: the
// losses of all tokens, and the logits of some. `--numerics=aten` runs it.
//
// It computes what LlamaForCausalLM of Hugging Face transformers does, in
// float32 or with bfloat16 products, on a CPU or a CUDA device. bfloat16 is
// fast if the hardware has units for it. The pass is NOT under the numerics
// contract (moe/kernels/README.md): results depend on LibTorch's release, the
// device and the number of threads, and are never hashed. It has no taps and no
// backward. LibTorch's headers and exceptions stay inside the plugin
// (moe/base/torch_plugin.h), which AtenForward loads.

#ifndef MOE_MODEL_ATEN_ATEN_FORWARD_H_
#define MOE_MODEL_ATEN_ATEN_FORWARD_H_

#include <vector>

#include "absl/status/statusor.h"
#include "moe/base/progress.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/model/aten/aten_options.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::model {

// The loss of every token, [num_tokens]. Position t of a sequence predicts the
// label at t + 1:
//   loss_t = log(sum_i exp(logit_ti)) - logit_t,label(t+1)
// The loss is +0 if that label is kIgnoredLabel, and at the end of a sequence.
//
// All sequences go through one layer, then through the next. The device holds
//   - one layer's weights, in the type of the products;
//   - the hidden states of all tokens, 4 * num_tokens * hidden_size bytes,
//     because copying them to the host and back would take longer than many
//     layers do;
//   - what AtenDecoderLayers takes for tokens_at_once;
//   - 128 MiB of logits.
// Each weight is read once; the embedding is read twice if it is also the head.
//
// The checkpoint must be dense. Errors:
//   InvalidArgument     there are no sequences; an id or label is outside of
//                       the vocabulary; a NaN or an infinity, with the weight's
//                       tensor and element, or with the layer, activation,
//                       sequence and position
//   FailedPrecondition  the device is not available
//   ResourceExhausted   the budget, the host or the device has too little
//                       memory; a sequence is too long for RotaryTables
//   Unavailable         CUDA reports an error
// and those of MOE_TORCH_FUNCTION, of reading and of the tap.
absl::StatusOr<std::vector<float>> AtenForward(
    const checkpoint::Checkpoint& checkpoint,
    const text::TokenSequences& sequences, const AtenOptions& options,
    const AtenLogitsTap& tap, base::Progress& progress);

}  // namespace moe::model

#endif  // MOE_MODEL_ATEN_ATEN_FORWARD_H_
