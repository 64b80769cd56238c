#include "moe/evaluate/element_diff.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/checkpoint/dtype.h"
#include "moe/evaluate/diff_options.pb.h"

namespace moe::evaluate {
namespace {

// A binary floating format: its bits, which of them are the exponent's, and its
// numbers as F64.
struct Bf16 {
  using Bits = uint16_t;
  static constexpr Bits kExponent = 0x7f80;
  static double ToDouble(Bits bits) { return checkpoint::Bf16ToFloat(bits); }
};
struct F16 {
  using Bits = uint16_t;
  static constexpr Bits kExponent = 0x7c00;
  static double ToDouble(Bits bits) { return checkpoint::F16ToFloat(bits); }
};
struct F32 {
  using Bits = uint32_t;
  static constexpr Bits kExponent = 0x7f800000;
  static double ToDouble(Bits bits) { return std::bit_cast<float>(bits); }
};
struct F64 {
  using Bits = uint64_t;
  static constexpr Bits kExponent = 0x7ff0000000000000;
  static double ToDouble(Bits bits) { return std::bit_cast<double>(bits); }
};

template <typename Format>
bool IsFinite(typename Format::Bits bits) {
  return (bits & Format::kExponent) != Format::kExponent;
}

// The numbers are finite. The bits without the sign count the numbers from zero
// up.
template <typename Bits>
uint64_t FiniteUlpDistance(Bits a, Bits b) {
  constexpr Bits kSign = Bits{1} << (8 * sizeof(Bits) - 1);
  const uint64_t a_steps = static_cast<Bits>(a & ~kSign);
  const uint64_t b_steps = static_cast<Bits>(b & ~kSign);
  if ((a & kSign) != (b & kSign)) return a_steps + b_steps;
  return a_steps > b_steps ? a_steps - b_steps : b_steps - a_steps;
}

struct Tolerance {
  explicit Tolerance(const DiffOptions& options)
      : by_value(options.has_rtol() || options.has_atol()),
        rtol(options.rtol()),
        atol(options.atol()),
        by_ulp(options.has_max_ulp()),
        max_ulp(static_cast<uint64_t>(options.max_ulp())) {}

  bool Passes(double abs_diff, double b, uint64_t ulp) const {
    return (by_value && abs_diff <= atol + rtol * std::abs(b)) ||
           (by_ulp && ulp <= max_ulp);
  }

  bool by_value;
  double rtol;
  double atol;
  bool by_ulp;
  uint64_t max_ulp;
};

void AddFinite(double a, double b, uint64_t ulp, int64_t position,
               const Tolerance& tolerance, ElementDiff& diff) {
  const double abs_diff = std::abs(a - b);
  diff.sum_squared_diff += abs_diff * abs_diff;
  if (!tolerance.Passes(abs_diff, b, ulp)) ++diff.num_failed;
  if (diff.max_abs_diff_at < 0 || abs_diff > diff.max_abs_diff) {
    diff.max_abs_diff = abs_diff;
    diff.max_abs_diff_at = position;
    diff.a_at_max = a;
    diff.b_at_max = b;
  }
  if (ulp > diff.max_ulp) diff.max_ulp = ulp;
  ++diff.ulp_histogram[static_cast<size_t>(std::bit_width(ulp))];
}

template <typename Format>
void AccumulateNumbers(absl::Span<const char> a_bytes,
                       absl::Span<const char> b_bytes,
                       const DiffOptions& options, ElementDiff& diff) {
  using Bits = typename Format::Bits;
  const Tolerance tolerance(options);
  for (size_t at = 0; at < a_bytes.size(); at += sizeof(Bits)) {
    Bits a;
    Bits b;
    std::memcpy(&a, a_bytes.data() + at, sizeof(Bits));
    std::memcpy(&b, b_bytes.data() + at, sizeof(Bits));
    const int64_t position = diff.num_elements++;
    const bool finite = IsFinite<Format>(a) && IsFinite<Format>(b);
    const double a_value = Format::ToDouble(a);
    if (finite) diff.sum_squared_a += a_value * a_value;
    if (a == b) continue;
    if (diff.num_different++ == 0) diff.first_different = position;
    if (finite) {
      AddFinite(a_value, Format::ToDouble(b), FiniteUlpDistance(a, b), position,
                tolerance, diff);
    } else {
      ++diff.num_not_finite;
      ++diff.num_failed;
    }
  }
}

void AccumulateOthers(size_t element_bytes, absl::Span<const char> a,
                      absl::Span<const char> b, ElementDiff& diff) {
  for (size_t at = 0; at < a.size(); at += element_bytes) {
    const int64_t position = diff.num_elements++;
    if (std::memcmp(a.data() + at, b.data() + at, element_bytes) == 0) continue;
    if (diff.num_different++ == 0) diff.first_different = position;
    ++diff.num_failed;
  }
}

}  // namespace

bool IsComparedAsNumber(checkpoint::Dtype dtype) {
  return checkpoint::IsWeightDtype(dtype) || dtype == checkpoint::Dtype::kF64;
}

double ElementDiff::RelativeNorm() const {
  if (sum_squared_diff == 0.0) return 0.0;
  if (sum_squared_a == 0.0) return std::numeric_limits<double>::infinity();
  return std::sqrt(sum_squared_diff) / std::sqrt(sum_squared_a);
}

void AccumulateDiff(checkpoint::Dtype dtype, absl::Span<const char> a,
                    absl::Span<const char> b, const DiffOptions& options,
                    ElementDiff& diff) {
  const size_t element_bytes =
      static_cast<size_t>(checkpoint::DtypeSize(dtype));
  MOE_CHECK(a.size() == b.size() && a.size() % element_bytes == 0);
  switch (dtype) {
    case checkpoint::Dtype::kBF16:
      return AccumulateNumbers<Bf16>(a, b, options, diff);
    case checkpoint::Dtype::kF16:
      return AccumulateNumbers<F16>(a, b, options, diff);
    case checkpoint::Dtype::kF32:
      return AccumulateNumbers<F32>(a, b, options, diff);
    case checkpoint::Dtype::kF64:
      return AccumulateNumbers<F64>(a, b, options, diff);
    default:
      return AccumulateOthers(element_bytes, a, b, diff);
  }
}

}  // namespace moe::evaluate
