// Name, type and shape of a tensor, and a tensor in memory.

#ifndef MOE_CHECKPOINT_TENSOR_H_
#define MOE_CHECKPOINT_TENSOR_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "moe/checkpoint/dtype.h"

namespace moe::checkpoint {

using Shape = std::vector<int64_t>;

// "[8, 576]"; "[]" for a scalar.
std::string FormatShape(absl::Span<const int64_t> shape);

// The product of the dimensions. InvalidArgument if one is negative or the
// product does not fit 63 bits.
absl::StatusOr<int64_t> NumElements(absl::Span<const int64_t> shape);

struct TensorSpec {
  std::string name;
  Dtype dtype = Dtype::kF32;
  Shape shape;

  friend bool operator==(const TensorSpec&, const TensorSpec&) = default;
};

// "BF16 [8, 576]".
std::string FormatSpec(const TensorSpec& spec);

// InvalidArgument, with the name, unless the dimensions are not negative and
// the bytes that the elements take fit 63 bits.
absl::Status ValidateTensorSpec(const TensorSpec& spec);

// Bytes that the elements take. The shape must be valid.
int64_t NumBytes(const TensorSpec& spec);

// A small tensor in memory, row-major, little-endian.
struct HostTensor {
  Dtype dtype = Dtype::kF32;
  Shape shape;
  std::string bytes;

  friend bool operator==(const HostTensor&, const HostTensor&) = default;
};

}  // namespace moe::checkpoint

#endif  // MOE_CHECKPOINT_TENSOR_H_
