// Which tokens a sum covers, and how tokens are cut into chunks.
//
// Chunk c is the tokens [128 c, 128 c + 128) of the whole data set, whichever
// worker sums them. The order of chunks does not change a sum, but a cut inside
// a chunk does. So one worker sums all tokens of a chunk, and a chunk that
// comes twice is an error.

#ifndef MOE_KERNELS_SUMS_TOKEN_RANGES_H_
#define MOE_KERNELS_SUMS_TOKEN_RANGES_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"

namespace moe::kernels {

// Part of the numerics contract: a change of it changes every sum over tokens.
inline constexpr int64_t kTokensPerChunk = 128;

// Tokens [begin, end).
struct TokenRange {
  int64_t begin = 0;
  int64_t end = 0;
  friend bool operator==(const TokenRange& a, const TokenRange& b) = default;
};

// A set of tokens in which no chunk is cut in two. Kept as the fewest ranges,
// ascending, so that equal sets are equal objects.
class TokenRanges {
 public:
  // Adds tokens of new chunks. InvalidArgument, without a change, if the range
  // is empty or negative, does not begin at a chunk's border, or has a chunk
  // that the set has tokens of. Takes logarithmic time if ranges come in
  // ascending order, else linear.
  absl::Status Insert(TokenRange range);

  // Adds the tokens that follow the range that ends at range.begin, which may
  // be inside a chunk. InvalidArgument as above, and if there is no such range.
  absl::Status Extend(TokenRange range);

  // Adds all of `other`, or nothing if the two sets share a chunk.
  absl::Status InsertAll(const TokenRanges& other);

  // The number of tokens.
  int64_t size() const;
  const std::vector<TokenRange>& ranges() const { return ranges_; }

  friend bool operator==(const TokenRanges& a, const TokenRanges& b) = default;

 private:
  // Inserts `range` at position `next`, unless it shares a chunk with the range
  // that is there. No range before `next` may reach into it.
  absl::Status InsertBefore(size_t next, TokenRange range);

  std::vector<TokenRange> ranges_;
};

}  // namespace moe::kernels

#endif  // MOE_KERNELS_SUMS_TOKEN_RANGES_H_
