// Random ways to share tokens out, for tests.

#ifndef MOE_KERNELS_SUMS_TESTING_TOKEN_CUTS_H_
#define MOE_KERNELS_SUMS_TESTING_TOKEN_CUTS_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "moe/base/philox.h"
#include "moe/kernels/sums/token_ranges.h"

namespace moe::kernels::testing {

// Batches of 1 to 300 tokens, in order.
inline std::vector<TokenRange> CutIntoBatches(base::RandomStream& stream,
                                              TokenRange range) {
  std::vector<TokenRange> batches;
  while (range.begin < range.end) {
    const uint64_t most = stream.NextUint32() % 2 == 0 ? 5 : 300;
    const int64_t size = 1 + static_cast<int64_t>(stream.UniformInt(most));
    const int64_t end = std::min(range.begin + size, range.end);
    batches.push_back({range.begin, end});
    range.begin = end;
  }
  return batches;
}

// Shards of 1 to 3 chunks, in random order.
inline std::vector<TokenRange> CutIntoShards(base::RandomStream& stream,
                                             TokenRange range) {
  std::vector<TokenRange> shards;
  while (range.begin < range.end) {
    const int64_t chunks = 1 + static_cast<int64_t>(stream.UniformInt(3));
    const int64_t end = std::min(
        (range.begin / kTokensPerChunk + chunks) * kTokensPerChunk, range.end);
    shards.push_back({range.begin, end});
    range.begin = end;
  }
  base::Shuffle(stream, absl::MakeSpan(shards));
  return shards;
}

}  // namespace moe::kernels::testing

#endif  // MOE_KERNELS_SUMS_TESTING_TOKEN_CUTS_H_
