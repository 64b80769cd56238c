// A model's weights as LibTorch's tensors.
//
// Part of moe/model/aten. Callers use LibTorch's types and see its exceptions.

#ifndef MOE_MODEL_ATEN_ATEN_WEIGHTS_H_
#define MOE_MODEL_ATEN_ATEN_WEIGHTS_H_

#include <ATen/core/ATen_fwd.h>

#include "absl/status/statusor.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/model/aten/aten_options.h"

namespace moe::model {

// The weight as it is stored, on the host, with its shape. The errors of
// model.read_weight.
absl::StatusOr<at::Tensor> ReadAtenWeight(const AtenModel& model,
                                          const checkpoint::TensorName& name);

}  // namespace moe::model

#endif  // MOE_MODEL_ATEN_ATEN_WEIGHTS_H_
