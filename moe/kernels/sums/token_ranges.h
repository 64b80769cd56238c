// Which tokens a sum covers, and how tokens are cut into chunks.
//
// Chunk c is the tokens [128 c, 128 c + 128) of the whole data set, whoever
// sums them. A sum is the same whatever the order of its chunks, but not
// whatever the cut inside a chunk; so a chunk's tokens are summed in one go, by
// one worker, and a chunk that turns up twice is an error.

#ifndef MOE_KERNELS_SUMS_TOKEN_RANGES_H_
#define MOE_KERNELS_SUMS_TOKEN_RANGES_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"

namespace moe {

// Of the numerics contract: a change of it changes every sum over tokens.
inline constexpr int64_t kTokensPerChunk = 128;

// Tokens [begin, end).
struct TokenRange {
  int64_t begin = 0;
  int64_t end = 0;
  friend bool operator==(const TokenRange& a, const TokenRange& b) = default;
};

// A set of tokens that has no chunk cut in two. Kept as the fewest ranges,
// ascending: equal sets are equal objects.
class TokenRanges {
 public:
  // Adds tokens of chunks of which there are none yet. InvalidArgument, and
  // nothing added, if the range is empty or negative, does not begin at a
  // chunk's border, or has a chunk of which there are tokens. Takes logarithmic
  // time where ranges come in ascending order, else linear.
  absl::Status Insert(TokenRange range);

  // Adds the tokens that follow those of the range that ends at range.begin, be
  // it in the midst of a chunk. InvalidArgument as above, and if there is no
  // such range.
  absl::Status Extend(TokenRange range);

  // Adds all of `other`, or nothing if they have a chunk in common.
  absl::Status InsertAll(const TokenRanges& other);

  // The number of tokens.
  int64_t size() const;
  const std::vector<TokenRange>& ranges() const { return ranges_; }

  friend bool operator==(const TokenRanges& a, const TokenRanges& b) = default;

 private:
  // Makes `range`, which nothing before position `next` reaches into, the
  // element at `next`, unless it has a chunk of the one that is there.
  absl::Status InsertBefore(size_t next, TokenRange range);

  std::vector<TokenRange> ranges_;
};

}  // namespace moe

#endif  // MOE_KERNELS_SUMS_TOKEN_RANGES_H_
