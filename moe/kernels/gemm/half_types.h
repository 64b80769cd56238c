// Exact conversion of the 16-bit floating-point types to float.

#ifndef MOE_KERNELS_GEMM_HALF_TYPES_H_
#define MOE_KERNELS_GEMM_HALF_TYPES_H_

#include <bit>
#include <cstdint>
#include <cstring>

namespace moe::kernels {

// The little-endian number at `bytes`, which need not be aligned.
inline uint16_t LoadUint16(const char* bytes) {
  static_assert(std::endian::native == std::endian::little);
  uint16_t value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

// bfloat16 is the upper half of a float.
inline float BFloat16ToFloat(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

// IEEE binary16: 1 bit of sign, 5 of exponent (bias 15), 10 of significand. In
// a float's place the exponent is 112 too low. The product corrects it and
// makes subnormal numbers normal. Infinity and NaN keep all exponent bits.
inline float Float16ToFloat(uint16_t bits) {
  const uint32_t magnitude = bits & 0x7fffu;
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  const float scaled = std::bit_cast<float>(magnitude << 13) * 0x1p112f;
  const uint32_t special = magnitude >= 0x7c00u ? 0x7f800000u : 0u;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(scaled) | special | sign);
}

}  // namespace moe::kernels

#endif  // MOE_KERNELS_GEMM_HALF_TYPES_H_
