// The weights of routers, as they are stored.

#ifndef MOE_CONVERT_ROUTER_WEIGHTS_H_
#define MOE_CONVERT_ROUTER_WEIGHTS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/checkpoint/checkpoint_form.pb.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/tensor.h"
#include "moe/convert/tensor_piece.h"

namespace moe {

// Where the routers of a model come from.
struct RouterSource {
  // Given weights, or null: then they are drawn.
  const GateWeights* gate_weights = nullptr;
  uint64_t seed = 0;
  // Of the random numbers: the routers of layer L are drawn from the stream
  // "STEP/layer/L".
  std::string step;
  CheckpointForm::RouterDtype dtype = CheckpointForm::CHECKPOINT;
};

// The type that a router is stored in, beside weights of type `weights`.
Dtype RouterDtypeOf(const RouterSource& source, Dtype weights);

// A router [num_experts, hidden_size] in the type of `spec`.
//
// Given: the first num_experts rows of the layer's weights, rounded to the type
// to nearest even; exact where they were of that type before they came into the
// artifact.
//
// Drawn: U(-b, b) with b = 1 / sqrt(hidden_size), row by row: Kaiming-uniform
// with a = sqrt(5), as PyTorch initialises a linear layer. b is rounded to
// float32, each number is UniformSymmetric of the stream, in float32, and is
// then rounded to the type to nearest even. Bits: a function of seed, step,
// layer and `spec` alone.
std::string RouterBytes(const RouterSource& source, int64_t layer,
                        const TensorSpec& spec);

// The same when its turn comes; `source` and its weights must live until then.
GeneratedPiece RouterPiece(const RouterSource& source, int64_t layer,
                           const TensorSpec& spec);

// InvalidArgument, with layer, expert and feature, for a given weight that the
// type of `spec` cannot hold.
absl::Status CheckRouterFits(const GateWeights& gate_weights, int64_t layer,
                             const TensorSpec& spec);

}  // namespace moe

#endif  // MOE_CONVERT_ROUTER_WEIGHTS_H_
