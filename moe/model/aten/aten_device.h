// Checks whether a device is available.
//
// Part of moe/model/aten, only for its .cc files.

#ifndef MOE_MODEL_ATEN_ATEN_DEVICE_H_
#define MOE_MODEL_ATEN_ATEN_DEVICE_H_

#include "absl/status/status.h"
#include "moe/model/aten/aten_options.h"

namespace moe::model {

// FailedPrecondition, with what to do, if this LibTorch cannot use the device.
absl::Status CheckDevice(AtenDevice device);

}  // namespace moe::model

#endif  // MOE_MODEL_ATEN_ATEN_DEVICE_H_
