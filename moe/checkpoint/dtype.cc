#include "moe/checkpoint/dtype.h"

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/check.h"

namespace moe::checkpoint {
namespace {

static_assert(std::endian::native == std::endian::little,
              "safetensors files are little-endian, and so is this code");

struct DtypeInfo {
  absl::string_view name;
  int64_t size_bytes;
};

// Indexed by Dtype.
constexpr std::array<DtypeInfo, 17> kDtypes = {{
    {"BOOL", 1},
    {"U8", 1},
    {"I8", 1},
    {"F8_E5M2", 1},
    {"F8_E4M3", 1},
    {"F8_E8M0", 1},
    {"I16", 2},
    {"U16", 2},
    {"F16", 2},
    {"BF16", 2},
    {"I32", 4},
    {"U32", 4},
    {"F32", 4},
    {"C64", 8},
    {"F64", 8},
    {"I64", 8},
    {"U64", 8},
}};

template <typename Bits>
void StoreBits(Bits bits, absl::Span<char> bytes, size_t index) {
  std::memcpy(bytes.data() + index * sizeof(Bits), &bits, sizeof(Bits));
}

template <typename Bits>
Bits LoadBits(absl::Span<const char> bytes, size_t index) {
  Bits bits;
  std::memcpy(&bits, bytes.data() + index * sizeof(Bits), sizeof(Bits));
  return bits;
}

// A number is not finite where every bit of its exponent is set.
template <typename Bits>
std::optional<int64_t> FindFullExponent(absl::Span<const char> bytes,
                                        Bits exponent_mask) {
  const size_t num_elements = bytes.size() / sizeof(Bits);
  // Whole blocks of a constant length, without an early exit or a comparison:
  // so GCC vectorises it at -O2. Added to a full exponent, its lowest bit
  // carries into the sign's place.
  constexpr size_t kBlock = 512;
  const auto lowest = static_cast<Bits>(exponent_mask & (~exponent_mask + 1));
  size_t begin = 0;
  for (; num_elements - begin >= kBlock; begin += kBlock) {
    Bits carries = 0;
    for (size_t i = 0; i < kBlock; ++i) {
      carries = static_cast<Bits>(
          carries |
          ((LoadBits<Bits>(bytes, begin + i) & exponent_mask) + lowest));
    }
    if ((carries >> (8 * sizeof(Bits) - 1)) != 0) break;
  }
  // The position is looked for only in a block that has one, and in the rest.
  for (size_t i = begin; i < num_elements; ++i) {
    if ((LoadBits<Bits>(bytes, i) & exponent_mask) == exponent_mask) {
      return static_cast<int64_t>(i);
    }
  }
  return std::nullopt;
}

}  // namespace

absl::string_view DtypeName(Dtype dtype) {
  return kDtypes[static_cast<size_t>(dtype)].name;
}

absl::StatusOr<Dtype> ParseDtype(absl::string_view name) {
  std::string known;
  for (size_t i = 0; i < kDtypes.size(); ++i) {
    if (kDtypes[i].name == name) return static_cast<Dtype>(i);
    absl::StrAppend(&known, i == 0 ? "" : ", ", kDtypes[i].name);
  }
  return absl::UnimplementedError(
      absl::StrCat("expected a dtype of ", known, ", found \"", name, "\""));
}

int64_t DtypeSize(Dtype dtype) {
  return kDtypes[static_cast<size_t>(dtype)].size_bytes;
}

bool IsWeightDtype(Dtype dtype) {
  return dtype == Dtype::kBF16 || dtype == Dtype::kF16 || dtype == Dtype::kF32;
}

float Bf16ToFloat(uint16_t bits) {
  return std::bit_cast<float>(uint32_t{bits} << 16);
}

float F16ToFloat(uint16_t bits) {
  const uint32_t sign = uint32_t{bits & 0x8000u} << 16;
  const uint32_t exponent = (bits >> 10) & 0x1fu;
  const uint32_t fraction = bits & 0x3ffu;
  if (exponent == 0x1f) {
    return std::bit_cast<float>(sign | 0x7f800000u | (fraction << 13));
  }
  if (exponent != 0) {
    // The exponents' biases differ by 127 - 15 = 112.
    return std::bit_cast<float>(sign | ((exponent + 112) << 23) |
                                (fraction << 13));
  }
  // A denormal is fraction * 2^-24: exact, and normal as a float.
  const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(magnitude) | sign);
}

void WeightsToFloat(Dtype dtype, absl::Span<const char> bytes,
                    absl::Span<float> out) {
  MOE_CHECK(IsWeightDtype(dtype));
  MOE_CHECK(bytes.size() == out.size() * static_cast<size_t>(DtypeSize(dtype)));
  if (dtype == Dtype::kF32) {
    if (!out.empty()) std::memcpy(out.data(), bytes.data(), bytes.size());
    return;
  }
  for (size_t i = 0; i < out.size(); ++i) {
    const uint16_t bits = LoadBits<uint16_t>(bytes, i);
    out[i] = dtype == Dtype::kBF16 ? Bf16ToFloat(bits) : F16ToFloat(bits);
  }
}

uint16_t FloatToBf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) {
    // Sets a bit of the fraction: a NaN whose fraction is all in the lower half
    // would become infinity.
    return static_cast<uint16_t>((bits >> 16) | 0x40u);
  }
  // Rounds up if the lower half is above 0x8000, or if it is 0x8000 and the
  // upper half is odd. A carry correctly goes into the exponent.
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

uint16_t FloatToF16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = (bits >> 16) & 0x8000u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u);
  // 65520 = 65504 + 16, half a step above the largest: it ties to infinity.
  if (magnitude >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00u);
  if (magnitude < 0x38800000u) {
    // Below 2^-14, a denormal: a multiple of 2^-24. Adding 0.5 puts that step
    // at the end of the float's fraction, so the sum rounds to it.
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<uint16_t>(
        sign | (std::bit_cast<uint32_t>(shifted) - 0x3f000000u));
  }
  // The exponents' biases differ by 112; 13 bits of the fraction go.
  const uint32_t rebased = magnitude - (112u << 23);
  return static_cast<uint16_t>(
      sign | ((rebased + 0xfffu + ((rebased >> 13) & 1u)) >> 13));
}

void FloatToWeights(Dtype dtype, absl::Span<const float> values,
                    absl::Span<char> out) {
  MOE_CHECK(IsWeightDtype(dtype));
  MOE_CHECK(out.size() ==
            values.size() * static_cast<size_t>(DtypeSize(dtype)));
  if (dtype == Dtype::kF32) {
    if (!values.empty()) std::memcpy(out.data(), values.data(), out.size());
    return;
  }
  for (size_t i = 0; i < values.size(); ++i) {
    StoreBits(
        dtype == Dtype::kBF16 ? FloatToBf16(values[i]) : FloatToF16(values[i]),
        out, i);
  }
}

std::optional<int64_t> FindNonFinite(Dtype dtype,
                                     absl::Span<const char> bytes) {
  switch (dtype) {
    case Dtype::kBF16:
      return FindFullExponent<uint16_t>(bytes, 0x7f80);
    case Dtype::kF16:
      return FindFullExponent<uint16_t>(bytes, 0x7c00);
    case Dtype::kF32:
      return FindFullExponent<uint32_t>(bytes, 0x7f800000u);
    case Dtype::kF64:
      return FindFullExponent<uint64_t>(bytes, 0x7ff0000000000000u);
    default:
      return std::nullopt;
  }
}

}  // namespace moe::checkpoint
