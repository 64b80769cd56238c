// The forward pass of a dense LLaMA through LibTorch's own operators: losses of
// the tokens of sequences, and logits of some of them. What `--numerics=aten`
// runs.
//
// It is LlamaForCausalLM of Hugging Face transformers in float32, or with
// bfloat16 products, on a CPU or a CUDA device: fast where there are units for
// it. It is NOT under the numerics contract (moe/kernels/README.md): results
// depend on LibTorch's release, the device and the number of threads, and are
// never hashed. Nor are there taps or a backward. LibTorch's headers and
// exceptions stay inside.

#ifndef MOE_MODEL_ATEN_ATEN_FORWARD_H_
#define MOE_MODEL_ATEN_ATEN_FORWARD_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "moe/base/matrix_view.h"
#include "moe/base/memory_budget.h"
#include "moe/base/progress.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/model/aten/aten_device.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe {

struct AtenOptions {
  AtenDevice device = AtenDevice::kCpu;
  AtenProducts products = AtenProducts::kFloat32;
  // Positive. LibTorch's for the whole process from now on; with an OpenBLAS
  // that has threads of its own, OPENBLAS_NUM_THREADS counts too.
  int num_threads = 1;
  // Sequences that go through a layer together have about as many tokens, or
  // are one longer sequence. Positive; memory against overhead.
  int64_t tokens_at_once = 4096;
  // Of the host; asked once, for about the most that the pass holds there: on
  // the CPU everything, for CUDA the largest weight. May be null.
  MemoryBudget* memory_budget = nullptr;
};

// The logits of consecutive tokens of a sequence, [num_rows, vocab_size].
struct AtenLogits {
  int64_t sequence = 0;
  int64_t first_position = 0;
  MatrixView<const float> rows;  // Valid during the call.
};

// Takes the logits of the first `num_sequences` sequences, of each token once,
// in order. An error ends the pass.
struct AtenLogitsTap {
  int64_t num_sequences = 0;
  std::function<absl::Status(const AtenLogits&)> take;
};

// The loss of every token, [num_tokens]: of position t of a sequence that of
// predicting its label at t + 1,
//   loss_t = log(sum_i exp(logit_ti)) - logit_t,label(t+1)
// and +0 where that label is kIgnoredLabel and at a sequence's last position.
//
// Layer by layer, all sequences through each. The device holds one layer's
// weights, in the type of the products, and the hidden states of all tokens, 4
// * num_tokens * hidden_size bytes: a copy to the host and back in every layer
// would take longer than many layers do. Beside them, what AtenDecoderLayers
// says of tokens_at_once, and 128 MiB of logits. Weights are read once each,
// the embedding twice where it is the head as well.
//
// The checkpoint must be dense. Errors:
//   InvalidArgument     no sequences; an id or label outside of the vocabulary;
//                       a NaN or an infinity, with the weight's tensor and
//                       element, or the layer, activation, sequence and
//                       position
//   FailedPrecondition  a device that is not there
//   ResourceExhausted   memory, of the budget, the host or the device; a
//                       sequence longer than RotaryTables go
//   Unavailable         an error that CUDA reports
// and those of reading and of the tap.
absl::StatusOr<std::vector<float>> AtenForward(const Checkpoint& checkpoint,
                                               const TokenSequences& sequences,
                                               const AtenOptions& options,
                                               const AtenLogitsTap& tap,
                                               Progress& progress);

}  // namespace moe

#endif  // MOE_MODEL_ATEN_ATEN_FORWARD_H_
