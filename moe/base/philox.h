// Random numbers that are a function of (seed, name) alone.
//
// Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel Random Numbers: As
// Easy as 1, 2, 3", SC'11, section 4.3): a counter goes through ten rounds of a
// keyed bijection. Each use of randomness has a stream of its own, named
// "step/layer/purpose", so that a new use never shifts the numbers of another,
// and layers can be drawn in any order or at once.
//
// Every distribution here is defined on integers: no result depends on a
// compiler, a standard library, or the floating-point unit's modes. std::
// distributions and shuffles promise none of this.

#ifndef MOE_BASE_PHILOX_H_
#define MOE_BASE_PHILOX_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace moe::base {

using PhiloxCounter = std::array<uint32_t, 4>;
using PhiloxKey = std::array<uint32_t, 2>;

// One block of Philox4x32-10.
PhiloxCounter Philox4x32(PhiloxCounter counter, PhiloxKey key);

// The stream of a name under a seed. Hashes the seed (8 bytes, little-endian)
// and the name with SHA-256. The first 8 bytes of the digest are the key, the
// next 8 the upper half of the counter. The lower half counts blocks from 0.
// Streams of different seeds or names are unrelated. Not thread-safe; copies go
// on independently.
class RandomStream {
 public:
  RandomStream(uint64_t seed, absl::string_view name);

  uint32_t NextUint32();
  // Two of the above, the first in the low half.
  uint64_t NextUint64();

  // Uniform on [0, bound), exactly: multiply and reject (Lemire, "Fast Random
  // Integer Generation in an Interval", 2019). `bound` must be positive.
  uint64_t UniformInt(uint64_t bound);

  // bound * (2u + 1 - 2^24) * 2^-24 for a uniform integer u in [0, 2^24):
  // within
  // (-bound, bound), symmetric about 0, never 0; rounded once, by the product.
  float UniformSymmetric(float bound);

 private:
  PhiloxKey key_;
  PhiloxCounter counter_;
  PhiloxCounter block_;
  int next_ = 4;  // Index of the next unused word of block_; 4 for none.
};

// Fisher and Yates, from the last element to the second.
template <typename T>
void Shuffle(RandomStream& stream, absl::Span<T> values) {
  for (size_t i = values.size(); i > 1; --i) {
    using std::swap;
    swap(values[i - 1], values[stream.UniformInt(i)]);
  }
}

}  // namespace moe::base

#endif  // MOE_BASE_PHILOX_H_
