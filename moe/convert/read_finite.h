// Weights of the input, which must be numbers.

#ifndef MOE_CONVERT_READ_FINITE_H_
#define MOE_CONVERT_READ_FINITE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "moe/checkpoint/sharded_tensors.h"

namespace moe {

// Fills `out`, whole elements, from byte `offset_bytes` of the tensor's data
// on. What is read is looked at while it is in the cache: read no more at a
// time than fits.
//
// InvalidArgument, with file, tensor and element, for a NaN or infinity; the
// errors of SafetensorsFile::Read. May be called by several threads at once.
absl::Status ReadFinite(const TensorLocation& from, int64_t offset_bytes,
                        absl::Span<char> out);

}  // namespace moe

#endif  // MOE_CONVERT_READ_FINITE_H_
