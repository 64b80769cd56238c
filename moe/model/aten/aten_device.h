// Whether a device is there.
//
// Part of moe/model/aten, for its .cc files alone.

#ifndef MOE_MODEL_ATEN_ATEN_DEVICE_H_
#define MOE_MODEL_ATEN_ATEN_DEVICE_H_

#include "absl/status/status.h"
#include "moe/model/aten/aten_options.h"

namespace moe {

// OK for a device that this LibTorch can use; FailedPrecondition, with what to
// do, otherwise.
absl::Status CheckDevice(AtenDevice device);

}  // namespace moe

#endif  // MOE_MODEL_ATEN_ATEN_DEVICE_H_
