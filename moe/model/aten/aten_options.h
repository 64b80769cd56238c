// The arguments of AtenForward. They need none of LibTorch's types.

#ifndef MOE_MODEL_ATEN_ATEN_OPTIONS_H_
#define MOE_MODEL_ATEN_ATEN_OPTIONS_H_

#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "moe/base/matrix_view.h"
#include "moe/base/memory_budget.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/tensor.h"
#include "moe/checkpoint/tensor_name.h"

namespace moe::model {

// A dense model.
struct AtenModel {
  checkpoint::LlamaConfig config;
  // Returns the whole tensor, which must be in the checkpoint, or an error, as
  // ReadWeight of moe/model/layer/checkpoint_weights.h does.
  std::function<absl::StatusOr<checkpoint::HostTensor>(
      const checkpoint::TensorName&)>
      read_weight;
};

enum class AtenDevice { kCpu, kCuda };

// The type of the factors in products of linear layers and attention. Sums,
// norms, rotations, probabilities, hidden states between blocks and losses are
// always float32.
enum class AtenProducts {
  kFloat32,
  kBFloat16,  // Faster if the hardware has units for it; about 3 digits.
};

struct AtenOptions {
  AtenDevice device = AtenDevice::kCpu;
  AtenProducts products = AtenProducts::kFloat32;
  // Positive. LibTorch uses it for the whole process from now on. An OpenBLAS
  // with threads of its own uses OPENBLAS_NUM_THREADS.
  int num_threads = 1;
  // The most tokens that go through a layer together. A longer sequence goes
  // alone. Positive. More tokens take more memory and have less overhead.
  int64_t tokens_at_once = 4096;
  // The memory budget of the host; may be null. The pass reserves about its
  // peak there. On the CPU this is all of its data; with CUDA it is the largest
  // weight.
  base::MemoryBudget* memory_budget = nullptr;
};

// The logits of consecutive tokens of a sequence, [num_rows, vocab_size].
struct AtenLogits {
  int64_t sequence = 0;
  int64_t first_position = 0;
  base::MatrixView<const float> rows;  // Valid during the call.
};

// Receives the logits of the first `num_sequences` sequences: those of each
// token once, in order. An error ends the pass.
struct AtenLogitsTap {
  int64_t num_sequences = 0;
  std::function<absl::Status(const AtenLogits&)> take;
};

}  // namespace moe::model

#endif  // MOE_MODEL_ATEN_ATEN_OPTIONS_H_
