#include "moe/model/layer/checkpoint_weights.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/kernels/gemm/packed_matrix.h"

namespace moe::model {
namespace {

// The type for the kernels. An open checkpoint has no others.
kernels::WeightType ToWeightType(checkpoint::Dtype dtype) {
  switch (dtype) {
    case checkpoint::Dtype::kF32:
      return kernels::WeightType::kFloat32;
    case checkpoint::Dtype::kBF16:
      return kernels::WeightType::kBFloat16;
    case checkpoint::Dtype::kF16:
      return kernels::WeightType::kFloat16;
    default:
      MOE_CHECK(false);
      return kernels::WeightType::kFloat32;
  }
}

// Rows [begin, end) along the first dimension.
absl::StatusOr<checkpoint::HostTensor> ReadRows(
    const checkpoint::TensorLocation& location, int64_t begin, int64_t end) {
  const checkpoint::TensorSpec& spec = location.tensor->spec;
  MOE_CHECK(0 <= begin && begin <= end && end <= spec.shape[0]);
  checkpoint::HostTensor rows{spec.dtype, spec.shape, {}};
  rows.shape[0] = end - begin;
  const int64_t row_bytes =
      spec.shape[0] == 0 ? 0 : checkpoint::NumBytes(spec) / spec.shape[0];
  rows.bytes.resize(static_cast<size_t>((end - begin) * row_bytes));
  MOE_RETURN_IF_ERROR(location.shard->Read(
      *location.tensor, static_cast<uint64_t>(begin * row_bytes),
      absl::MakeSpan(rows.bytes)));
  const std::optional<int64_t> bad = FindNonFinite(rows.dtype, rows.bytes);
  if (!bad.has_value()) return rows;
  const int64_t first = begin * (row_bytes / checkpoint::DtypeSize(spec.dtype));
  return absl::InvalidArgumentError(absl::StrCat(
      location.shard->path(), ": tensor ", spec.name, ", element ",
      first + *bad, " of ", checkpoint::FormatShape(spec.shape),
      ": NaN or infinity; a model with such a weight computes nothing"));
}

}  // namespace

checkpoint::TensorLocation LocateWeight(
    const checkpoint::Checkpoint& checkpoint,
    const checkpoint::TensorName& name) {
  const checkpoint::TensorLocation location =
      checkpoint.tensors().Find(checkpoint::FormatTensorName(name));
  MOE_CHECK(location.tensor != nullptr);
  return location;
}

absl::StatusOr<checkpoint::HostTensor> ReadWeight(
    const checkpoint::Checkpoint& checkpoint,
    const checkpoint::TensorName& name) {
  const checkpoint::TensorLocation location = LocateWeight(checkpoint, name);
  return ReadRows(location, 0, location.tensor->spec.shape[0]);
}

absl::StatusOr<checkpoint::HostTensor> ReadWeightRows(
    const checkpoint::Checkpoint& checkpoint,
    const checkpoint::TensorName& name, int64_t begin, int64_t end) {
  return ReadRows(LocateWeight(checkpoint, name), begin, end);
}

kernels::WeightView ViewWeight(const checkpoint::HostTensor& matrix) {
  MOE_CHECK(matrix.shape.size() == 2);
  return kernels::WeightView(matrix.bytes.data(), ToWeightType(matrix.dtype),
                             matrix.shape[0], matrix.shape[1]);
}

std::vector<float> ToFloats(const checkpoint::HostTensor& tensor) {
  std::vector<float> values(
      tensor.bytes.size() /
      static_cast<size_t>(checkpoint::DtypeSize(tensor.dtype)));
  checkpoint::WeightsToFloat(tensor.dtype, tensor.bytes,
                             absl::MakeSpan(values));
  return values;
}

}  // namespace moe::model
