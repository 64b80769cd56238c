// LibTorch's names of devices and types.
//
// Part of moe/model/aten, only for its .cc files.

#ifndef MOE_MODEL_ATEN_ATEN_TYPES_H_
#define MOE_MODEL_ATEN_ATEN_TYPES_H_

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include "moe/model/aten/aten_options.h"

namespace moe::model {

inline c10::Device ToTorchDevice(AtenDevice device) {
  return c10::Device(device == AtenDevice::kCuda ? c10::kCUDA : c10::kCPU);
}

inline c10::ScalarType ToScalarType(AtenProducts products) {
  return products == AtenProducts::kBFloat16 ? c10::kBFloat16 : c10::kFloat;
}

}  // namespace moe::model

#endif  // MOE_MODEL_ATEN_ATEN_TYPES_H_
