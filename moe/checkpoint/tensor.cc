#include "moe/checkpoint/tensor.h"

#include <cstdint>
#include <limits>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/checkpoint/dtype.h"

namespace moe::checkpoint {

std::string FormatShape(absl::Span<const int64_t> shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

absl::StatusOr<int64_t> NumElements(absl::Span<const int64_t> shape) {
  int64_t product = 1;
  bool empty = false;
  for (const int64_t size : shape) {
    if (size < 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the shape ", FormatShape(shape), " has a negative dimension"));
    }
    if (size == 0) {
      empty = true;
      continue;
    }
    if (product > std::numeric_limits<int64_t>::max() / size) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the product of the shape ", FormatShape(shape), " overflows"));
    }
    product *= size;
  }
  return empty ? 0 : product;
}

std::string FormatSpec(const TensorSpec& spec) {
  return absl::StrCat(DtypeName(spec.dtype), " ", FormatShape(spec.shape));
}

absl::Status ValidateTensorSpec(const TensorSpec& spec) {
  const absl::StatusOr<int64_t> num_elements = NumElements(spec.shape);
  if (!num_elements.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "tensor \"", spec.name, "\": ", num_elements.status().message()));
  }
  if (*num_elements >
      std::numeric_limits<int64_t>::max() / DtypeSize(spec.dtype)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "tensor \"", spec.name, "\": the size in bytes of the shape ",
        FormatShape(spec.shape), " overflows"));
  }
  return absl::OkStatus();
}

int64_t NumBytes(const TensorSpec& spec) {
  MOE_CHECK(ValidateTensorSpec(spec).ok());
  return *NumElements(spec.shape) * DtypeSize(spec.dtype);
}

}  // namespace moe::checkpoint
