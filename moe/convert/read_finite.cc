#include "moe/convert/read_finite.h"

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor.h"

namespace moe {

absl::Status ReadFinite(const TensorLocation& from, int64_t offset_bytes,
                        absl::Span<char> out) {
  const TensorSpec& spec = from.tensor->spec;
  MOE_RETURN_IF_ERROR(
      from.shard->Read(*from.tensor, static_cast<uint64_t>(offset_bytes), out));
  const std::optional<int64_t> found = FindNonFinite(spec.dtype, out);
  if (!found.has_value()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      from.shard->path(), ": tensor \"", spec.name, "\" ",
      FormatShape(spec.shape), " has a NaN or infinity at element ",
      offset_bytes / DtypeSize(spec.dtype) + *found,
      "; a model with such a weight computes nothing; get the file again, or "
      "convert a checkpoint from before the weight was lost"));
}

}  // namespace moe
