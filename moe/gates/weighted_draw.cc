#include "moe/gates/weighted_draw.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/philox.h"

namespace moe {

std::vector<int64_t> DrawByWeight(absl::Span<const float> weights,
                                  int64_t count, RandomStream& stream) {
  MOE_CHECK(!weights.empty());
  const float largest = *std::max_element(weights.begin(), weights.end());
  MOE_CHECK(std::isfinite(largest) && largest >= 0.0f);
  std::vector<int64_t> drawn(static_cast<size_t>(count), -1);
  if (largest == 0.0f) {
    for (int64_t& index : drawn) {
      index = static_cast<int64_t>(stream.UniformInt(weights.size()));
    }
    return drawn;
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
  std::vector<uint64_t> places;
  for (int64_t i = 0; i < count; ++i)
    places.push_back(stream.UniformInt(total));
  uint64_t before = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    const uint64_t weight = whole(weights[i]);
    for (size_t k = 0; k < places.size(); ++k) {
      // Not negative, and less than the weight.
      if (places[k] - before < weight && places[k] >= before) {
        drawn[k] = static_cast<int64_t>(i);
      }
    }
    before += weight;
  }
  return drawn;
}

}  // namespace moe
