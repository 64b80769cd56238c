#include "moe/base/philox.h"

#include <cstdint>
#include <cstring>
#include <string>

#include "absl/numeric/int128.h"
#include "absl/strings/string_view.h"
#include "moe/base/check.h"
#include "moe/base/sha256.h"

namespace moe::base {
namespace {

// Multipliers and Weyl increments of the paper: the multipliers of table 2, the
// golden ratio and sqrt(3) - 1 as 32-bit fractions.
constexpr uint32_t kMultiplier0 = 0xD2511F53;
constexpr uint32_t kMultiplier1 = 0xCD9E8D57;
constexpr uint32_t kWeyl0 = 0x9E3779B9;
constexpr uint32_t kWeyl1 = 0xBB67AE85;
constexpr int kNumRounds = 10;

constexpr int kBlockWords = 4;

uint32_t LittleEndianWord(const Sha256Digest& digest, int offset) {
  uint32_t word = 0;
  for (int i = 3; i >= 0; --i) word = (word << 8) | digest[offset + i];
  return word;
}

}  // namespace

PhiloxCounter Philox4x32(PhiloxCounter counter, PhiloxKey key) {
  for (int round = 0; round < kNumRounds; ++round) {
    const uint64_t product0 = uint64_t{kMultiplier0} * counter[0];
    const uint64_t product1 = uint64_t{kMultiplier1} * counter[2];
    counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key[0],
               static_cast<uint32_t>(product1),
               static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key[1],
               static_cast<uint32_t>(product0)};
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  return counter;
}

RandomStream::RandomStream(uint64_t seed, absl::string_view name) {
  std::string text;
  for (int i = 0; i < 8; ++i) {
    text.push_back(static_cast<char>(seed >> (8 * i)));
  }
  text.append(name.data(), name.size());
  const Sha256Digest digest = Sha256Of(text);
  key_ = {LittleEndianWord(digest, 0), LittleEndianWord(digest, 4)};
  counter_ = {0, 0, LittleEndianWord(digest, 8), LittleEndianWord(digest, 12)};
}

uint32_t RandomStream::NextUint32() {
  if (next_ == kBlockWords) {
    block_ = Philox4x32(counter_, key_);
    if (++counter_[0] == 0) ++counter_[1];
    next_ = 0;
  }
  return block_[next_++];
}

uint64_t RandomStream::NextUint64() {
  const uint64_t low = NextUint32();
  return low | (uint64_t{NextUint32()} << 32);
}

uint64_t RandomStream::UniformInt(uint64_t bound) {
  MOE_CHECK(bound > 0);
  // 2^64 mod bound draws have to be rejected, so that each result has equally
  // many of the 2^64 draws. In 64-bit arithmetic that number is -bound % bound.
  const uint64_t num_rejected = -bound % bound;
  absl::uint128 product;
  do {
    product = absl::uint128(NextUint64()) * bound;
  } while (absl::Uint128Low64(product) < num_rejected);
  return absl::Uint128High64(product);
}

float RandomStream::UniformSymmetric(float bound) {
  const int32_t u = static_cast<int32_t>(NextUint32() >> 8);
  // An odd integer below 2^24 in magnitude: exact as a float, and so is its
  // product with a power of two.
  return static_cast<float>(2 * u + 1 - (int32_t{1} << 24)) * 0x1p-24f * bound;
}

}  // namespace moe::base
