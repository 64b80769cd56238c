// What a converted checkpoint holds beside dense weights: routers, and the
// experts' shares of an output bias.

#ifndef MOE_CONVERT_NEW_WEIGHTS_H_
#define MOE_CONVERT_NEW_WEIGHTS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/checkpoint_form.pb.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/convert/conversion_plan.h"

namespace moe::convert {

// Where the routers of a model come from.
struct RouterSource {
  // Given weights. Null if the routers are to be drawn.
  const checkpoint::GateWeights* gate_weights = nullptr;
  uint64_t seed = 0;
  // Names the random numbers: the router of layer L is drawn from the stream
  // "STEP/layer/L".
  std::string step;
  CheckpointForm::RouterDtype dtype = CheckpointForm::CHECKPOINT;
  // What the routers are: of the MLP or of the attention.
  checkpoint::TensorKind kind = checkpoint::TensorKind::kRouter;
  int64_t num_experts = 0;
  int64_t hidden_size = 0;
};

// The router [num_experts, hidden_size] of a layer. Its type is F32 or, by
// default, `weights`, the type of the weights beside it.
checkpoint::TensorSpec RouterSpec(const RouterSource& source, int64_t layer,
                                  checkpoint::Dtype weights);

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
                        const checkpoint::TensorSpec& spec);

// The router with RouterBytes as its data, computed when they are written.
// `source` and its weights must live until then.
Replacement RouterOf(const RouterSource& source, int64_t layer,
                     checkpoint::Dtype weights);

// InvalidArgument, with layer, expert and feature, if the type of `spec` cannot
// hold a given weight.
absl::Status CheckRouterFits(const checkpoint::GateWeights& gate_weights,
                             int64_t layer, const checkpoint::TensorSpec& spec);

// CheckRouterFits for every layer of `from` that is no contract layer. `beside`
// is the kind of the weights whose type the routers have. OK if the routers are
// drawn. An error begins with `path`, where the given weights come from.
absl::Status CheckRoutersFit(const RouterSource& source,
                             const checkpoint::Checkpoint& from,
                             const checkpoint::MoeConfig& config,
                             checkpoint::TensorKind beside,
                             absl::string_view path);

// Returns the bytes of `bias` / `scale` in the type of the bias. Every expert
// adds this share. The weights of the experts' outputs sum to 1, and the sum is
// multiplied by `scale`, so the dense bias comes out.
//
// InvalidArgument, with the tensor, its first bad element and `field`, the name
// of `scale`, if an element other than 0 has no exact quotient in its type, or
// if `scale` is no power of two: then exact quotients are luck. The errors of
// ReadFinite.
absl::StatusOr<std::string> DivideBias(const checkpoint::TensorLocation& bias,
                                       double scale, absl::string_view field);

}  // namespace moe::convert

#endif  // MOE_CONVERT_NEW_WEIGHTS_H_
