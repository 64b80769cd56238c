#include "moe/model/aten/aten_device.h"

#include <ATen/Context.h>
#include <torch/version.h>

#include "absl/status/status.h"

namespace moe::model {

absl::Status CheckDevice(AtenDevice device) {
  if (device == AtenDevice::kCpu || at::hasCUDA()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "--device=cuda: expected a CUDA device, found none with "
      "LibTorch " TORCH_VERSION
      "; use --device=cpu, or set LIBTORCH_HOME to a LibTorch for "
      "CUDA, build again, and run where nvidia-smi shows a device");
}

}  // namespace moe::model
