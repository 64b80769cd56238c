// Drawing an index with a chance in proportion to its weight, with integers
// alone: the same on every machine.

#ifndef MOE_GATES_WEIGHTED_DRAW_H_
#define MOE_GATES_WEIGHTED_DRAW_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "moe/base/philox.h"

namespace moe {

// Draws `count` indices, one after another, each from all of them. Weights must
// be finite and not negative, and at least one of them there; they count as
// multiples of the largest one's power of two over 2^b, b = 62 - ceil(log2 n),
// whose sum fits 63 bits. Uniform where all are zero.
std::vector<int64_t> DrawByWeight(absl::Span<const float> weights,
                                  int64_t count, RandomStream& stream);

}  // namespace moe

#endif  // MOE_GATES_WEIGHTED_DRAW_H_
