#include "moe/kernels/sums/wide_integer.h"

#include <bit>
#include <cmath>
#include <cstdint>

#include "moe/base/check.h"

namespace moe::kernels {
namespace {

constexpr int kMaxExponent = 512;

// The bits of a double, and one bit below them, which says whether the rest is
// at least half a unit.
constexpr int kDoubleBits = 53;
constexpr int kKeptBits = kDoubleBits + 1;

uint64_t Low(Uint128 value) { return static_cast<uint64_t>(value); }
uint64_t High(Uint128 value) { return static_cast<uint64_t>(value >> 64); }

int BitLength128(Uint128 value) {
  return High(value) != 0 ? 64 + static_cast<int>(std::bit_width(High(value)))
                          : static_cast<int>(std::bit_width(Low(value)));
}

bool BitAt(const Uint256& a, int bit) {
  return (a.limbs[static_cast<size_t>(bit / 64)] >> (bit % 64) & 1) != 0;
}

// Rounds kept * 2^exponent, plus something in (0, 2^exponent) if `rest`. `kept`
// has at most kKeptBits bits, and exactly so many if `rest`.
double RoundToDouble(uint64_t kept, bool rest, int exponent) {
  if (kept >> kDoubleBits != 0) {
    const bool half = (kept & 1) != 0;
    kept >>= 1;
    exponent += 1;
    // A carry out of the 53 bits gives a power of two, which a double holds.
    if (half && (rest || (kept & 1) != 0)) kept += 1;
  }
  // 2^exponent is normal for every exponent that can occur.
  return static_cast<double>(kept) *
         std::bit_cast<double>(static_cast<uint64_t>(1023 + exponent) << 52);
}

}  // namespace

Uint256 Multiply(Uint128 a, Uint128 b) {
  const Uint128 low = Uint128{Low(a)} * Low(b);
  const Uint128 cross1 = Uint128{Low(a)} * High(b);
  const Uint128 cross2 = Uint128{High(a)} * Low(b);
  const Uint128 high = Uint128{High(a)} * High(b);
  // Three numbers below 2^64: no carry is lost.
  const Uint128 middle = Uint128{High(low)} + Low(cross1) + Low(cross2);
  const Uint128 upper =
      high + High(cross1) + High(cross2) + Uint128{High(middle)};
  return {{Low(low), Low(middle), Low(upper), High(upper)}};
}

int Compare(const Uint256& a, const Uint256& b) {
  for (size_t i = a.limbs.size(); i-- > 0;) {
    if (a.limbs[i] != b.limbs[i]) return a.limbs[i] < b.limbs[i] ? -1 : 1;
  }
  return 0;
}

Uint256 Subtract(const Uint256& a, const Uint256& b) {
  Uint256 difference;
  uint64_t borrow = 0;
  for (size_t i = 0; i < a.limbs.size(); ++i) {
    const Uint128 limb = Uint128{a.limbs[i]} - b.limbs[i] - borrow;
    difference.limbs[i] = Low(limb);
    borrow = High(limb) != 0 ? 1 : 0;
  }
  MOE_CHECK(borrow == 0);
  return difference;
}

Uint256 ShiftLeftBy64(const Uint256& a) {
  MOE_CHECK(a.limbs[3] == 0);
  return {{0, a.limbs[0], a.limbs[1], a.limbs[2]}};
}

int BitLength(const Uint256& a) {
  for (size_t i = a.limbs.size(); i-- > 0;) {
    if (a.limbs[i] != 0) {
      return 64 * static_cast<int>(i) +
             static_cast<int>(std::bit_width(a.limbs[i]));
    }
  }
  return 0;
}

double IntegerToDouble(Uint128 value, int exponent) {
  MOE_CHECK(-kMaxExponent <= exponent && exponent <= kMaxExponent);
  const int dropped = BitLength128(value) - kKeptBits;
  if (dropped <= 0) return RoundToDouble(Low(value), false, exponent);
  const bool rest = (value & ((Uint128{1} << dropped) - 1)) != 0;
  return RoundToDouble(Low(value >> dropped), rest, exponent + dropped);
}

double QuotientToDouble(const Uint256& numerator, Uint128 denominator,
                        int exponent) {
  MOE_CHECK(denominator != 0 && denominator >> 127 == 0);
  MOE_CHECK(-kMaxExponent <= exponent && exponent <= kMaxExponent);
  int bit = BitLength(numerator);
  if (bit == 0) return 0.0;
  // Long division, one bit at a time, past the point if necessary, until the
  // quotient has enough bits. The remainder stays below the denominator, so
  // that twice the remainder fits.
  Uint128 remainder = 0;
  uint64_t quotient = 0;
  while (quotient >> (kKeptBits - 1) == 0) {
    --bit;
    remainder = remainder << 1 | (bit >= 0 && BitAt(numerator, bit) ? 1 : 0);
    quotient <<= 1;
    if (remainder >= denominator) {
      remainder -= denominator;
      quotient |= 1;
    }
  }
  bool rest = remainder != 0;
  for (int lower = bit - 1; lower >= 0 && !rest; --lower) {
    rest = BitAt(numerator, lower);
  }
  return RoundToDouble(quotient, rest, exponent + bit);
}

}  // namespace moe::kernels
