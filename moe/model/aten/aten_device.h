// Where and in which type LibTorch computes.
//
// Part of moe/model/aten; needs none of LibTorch's types.

#ifndef MOE_MODEL_ATEN_ATEN_DEVICE_H_
#define MOE_MODEL_ATEN_ATEN_DEVICE_H_

#include "absl/status/status.h"

namespace moe {

enum class AtenDevice { kCpu, kCuda };

// The type of the factors of the products of linear layers and attention. Sums,
// norms, rotations, probabilities, hidden states between blocks and losses are
// float32 in both.
enum class AtenProducts {
  kFloat32,
  kBFloat16,  // Faster where there are units for it; about 3 digits.
};

// OK for a device that this LibTorch can use; FailedPrecondition, with what to
// do, otherwise.
absl::Status CheckDevice(AtenDevice device);

}  // namespace moe

#endif  // MOE_MODEL_ATEN_ATEN_DEVICE_H_
