#include "moe/model/aten/aten_weights.h"

#include <ATen/core/Dict.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/ScalarType.h>
#include <c10/core/TensorOptions.h>

#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "moe/base/check.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/tensor.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/model/aten/aten_options.h"

namespace moe::model {
namespace {

// An open checkpoint has no other types.
c10::ScalarType ToScalarType(checkpoint::Dtype dtype) {
  switch (dtype) {
    case checkpoint::Dtype::kF32:
      return c10::kFloat;
    case checkpoint::Dtype::kBF16:
      return c10::kBFloat16;
    case checkpoint::Dtype::kF16:
      return c10::kHalf;
    default:
      MOE_CHECK(false);
      return c10::kFloat;
  }
}

}  // namespace

absl::StatusOr<at::Tensor> ReadAtenWeight(const AtenModel& model,
                                          const checkpoint::TensorName& name) {
  MOE_ASSIGN_OR_RETURN(checkpoint::HostTensor weight, model.read_weight(name));
  // The tensor owns the bytes.
  const auto owner =
      std::make_shared<checkpoint::HostTensor>(std::move(weight));
  return at::from_blob(
      owner->bytes.data(), owner->shape, [owner](void*) {},
      c10::TensorOptions(ToScalarType(owner->dtype)));
}

}  // namespace moe::model
