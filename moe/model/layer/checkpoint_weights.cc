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

namespace moe {
namespace {

// The type for the kernels. An open checkpoint has no others.
WeightType ToWeightType(Dtype dtype) {
  switch (dtype) {
    case Dtype::kF32:
      return WeightType::kFloat32;
    case Dtype::kBF16:
      return WeightType::kBFloat16;
    case Dtype::kF16:
      return WeightType::kFloat16;
    default:
      MOE_CHECK(false);
      return WeightType::kFloat32;
  }
}

// Rows [begin, end) along the first dimension.
absl::StatusOr<HostTensor> ReadRows(const TensorLocation& location,
                                    int64_t begin, int64_t end) {
  const TensorSpec& spec = location.tensor->spec;
  MOE_CHECK(0 <= begin && begin <= end && end <= spec.shape[0]);
  HostTensor rows{spec.dtype, spec.shape, {}};
  rows.shape[0] = end - begin;
  const int64_t row_bytes =
      spec.shape[0] == 0 ? 0 : NumBytes(spec) / spec.shape[0];
  rows.bytes.resize(static_cast<size_t>((end - begin) * row_bytes));
  MOE_RETURN_IF_ERROR(location.shard->Read(
      *location.tensor, static_cast<uint64_t>(begin * row_bytes),
      absl::MakeSpan(rows.bytes)));
  const std::optional<int64_t> bad = FindNonFinite(rows.dtype, rows.bytes);
  if (!bad.has_value()) return rows;
  const int64_t first = begin * (row_bytes / DtypeSize(spec.dtype));
  return absl::InvalidArgumentError(absl::StrCat(
      location.shard->path(), ": tensor ", spec.name, ", element ",
      first + *bad, " of ", FormatShape(spec.shape),
      ": NaN or infinity; a model with such a weight computes nothing"));
}

}  // namespace

TensorLocation LocateWeight(const Checkpoint& checkpoint,
                            const TensorName& name) {
  const TensorLocation location =
      checkpoint.tensors().Find(FormatTensorName(name));
  MOE_CHECK(location.tensor != nullptr);
  return location;
}

absl::StatusOr<HostTensor> ReadWeight(const Checkpoint& checkpoint,
                                      const TensorName& name) {
  const TensorLocation location = LocateWeight(checkpoint, name);
  return ReadRows(location, 0, location.tensor->spec.shape[0]);
}

absl::StatusOr<HostTensor> ReadWeightRows(const Checkpoint& checkpoint,
                                          const TensorName& name, int64_t begin,
                                          int64_t end) {
  return ReadRows(LocateWeight(checkpoint, name), begin, end);
}

WeightView ViewWeight(const HostTensor& matrix) {
  MOE_CHECK(matrix.shape.size() == 2);
  return WeightView(matrix.bytes.data(), ToWeightType(matrix.dtype),
                    matrix.shape[0], matrix.shape[1]);
}

std::vector<float> ToFloats(const HostTensor& tensor) {
  std::vector<float> values(tensor.bytes.size() /
                            static_cast<size_t>(DtypeSize(tensor.dtype)));
  WeightsToFloat(tensor.dtype, tensor.bytes, absl::MakeSpan(values));
  return values;
}

}  // namespace moe
