#include "moe/model/aten/aten_device.h"

#include <ATen/Context.h>
#include <torch/version.h>

#include "absl/status/status.h"

namespace moe {

absl::Status CheckDevice(AtenDevice device) {
  if (device == AtenDevice::kCpu || at::hasCUDA()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "--device=cuda: LibTorch " TORCH_VERSION
      " finds no CUDA device; use --device=cpu, or build with LIBTORCH_HOME "
      "naming a LibTorch for CUDA and run where nvidia-smi shows a device");
}

}  // namespace moe
