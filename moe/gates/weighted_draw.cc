#include "moe/gates/weighted_draw.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/philox.h"

namespace moe {

int64_t DrawByWeight(absl::Span<const float> weights, RandomStream& stream) {
  MOE_CHECK(!weights.empty());
  const float largest = *std::max_element(weights.begin(), weights.end());
  MOE_CHECK(std::isfinite(largest) && largest >= 0.0f);
  if (largest == 0.0f) {
    return static_cast<int64_t>(stream.UniformInt(weights.size()));
  }
  int exponent = 0;
  std::frexp(largest, &exponent);  // largest < 2^exponent.
  const int bits = 62 - std::bit_width(weights.size() - 1);
  const double scale = std::ldexp(1.0, bits - exponent);
  const auto whole = [&](float weight) {
    return static_cast<uint64_t>(
        std::llrint(static_cast<double>(weight) * scale));
  };
  uint64_t total = 0;
  for (const float weight : weights) total += whole(weight);
  uint64_t left = stream.UniformInt(total);
  for (size_t i = 0; i < weights.size(); ++i) {
    const uint64_t weight = whole(weights[i]);
    if (left < weight) return static_cast<int64_t>(i);
    left -= weight;
  }
  MOE_CHECK(false);
  return -1;
}

}  // namespace moe
