// The element types of safetensors files, and conversion of the floating ones.

#ifndef MOE_CHECKPOINT_DTYPE_H_
#define MOE_CHECKPOINT_DTYPE_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace moe::checkpoint {

// In the order of the safetensors reference implementation. Its files hold
// tensors of a later type first, which keeps every tensor aligned to its
// elements.
enum class Dtype {
  kBool,
  kU8,
  kI8,
  kF8E5M2,
  kF8E4M3,
  kF8E8M0,
  kI16,
  kU16,
  kF16,
  kBF16,
  kI32,
  kU32,
  kF32,
  kC64,
  kF64,
  kI64,
  kU64,
};

// The name in a safetensors header: "BF16".
absl::string_view DtypeName(Dtype dtype);

// The type of that name. Unimplemented, with the known names, for another name.
absl::StatusOr<Dtype> ParseDtype(absl::string_view name);

// Bytes of an element.
int64_t DtypeSize(Dtype dtype);

// Whether weights can have this type: BF16, F16 or F32.
bool IsWeightDtype(Dtype dtype);

// Every BF16 and F16 number is an F32 number: exact. NaN stays NaN.
float Bf16ToFloat(uint16_t bits);
float F16ToFloat(uint16_t bits);

// Upcasts `bytes`, little-endian elements of a weight type without alignment,
// to as many floats as `out` has; the sizes must agree.
void WeightsToFloat(Dtype dtype, absl::Span<const char> bytes,
                    absl::Span<float> out);

// The nearest BF16 or F16 number, ties to the even one; infinity where the
// value is beyond the largest by half a step or more. NaN stays NaN, -0 stays
// -0.
uint16_t FloatToBf16(float value);
uint16_t FloatToF16(float value);

// Rounds to elements of a weight type, to nearest even; exact for F32. The
// inverse of WeightsToFloat where a value has one. The sizes must agree.
void FloatToWeights(Dtype dtype, absl::Span<const float> values,
                    absl::Span<char> out);

// The index of the first NaN or infinity in elements of a floating type (BF16,
// F16, F32, F64); nothing if there is none, or the type has none.
std::optional<int64_t> FindNonFinite(Dtype dtype, absl::Span<const char> bytes);

}  // namespace moe::checkpoint

#endif  // MOE_CHECKPOINT_DTYPE_H_
