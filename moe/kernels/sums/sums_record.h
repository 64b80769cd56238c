// A finished sum over tokens, and its form in bytes, in which a worker passes
// on the sums of its shard.
//
// The form, little-endian, version 1:
//
//   offset  bytes
//   0       8       the characters "MOE-SUMS"
//   8       4       version: 1
//   12      4       kind: 1 feature sums, 2 feature sums of magnitudes,
//                   3 moments, 4 centroid sums, 5 centroid sums of magnitudes
//   16      8       G, the number of groups (1; 1; 2, x and x^2; clusters)
//   24      8       C, the number of columns (features; for kinds 4 and 5 one
//                   more, the sum of weights, last)
//   32      8       R, the number of ranges of tokens
//   40      4 G     fraction bits of each group's sums: int32
//   then    8 G     number of tokens in each group: int64
//   then    16 R    ranges of tokens: begin and end, int64; ascending; each
//                   begins at a multiple of 128; no two share a chunk; none
//                   begins where another ends
//   then    16 G C  the sums: int128 in two's complement; the sum of group g
//                   and column c is the (g C + c)-th; its value is the integer
//                   times 2^-(fraction bits of g)
//   then    32      SHA-256 of all bytes before it
//
// Nothing follows. G, C and R are at most 2^32. Equal sums are equal bytes,
// however the work was shared.

#ifndef MOE_KERNELS_SUMS_SUMS_RECORD_H_
#define MOE_KERNELS_SUMS_SUMS_RECORD_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/kernels/sums/token_ranges.h"
#include "moe/kernels/sums/wide_integer.h"

namespace moe::kernels {

inline constexpr int64_t kMaxSumsDimension = int64_t{1} << 32;

struct SumsRecord {
  uint32_t kind = 0;
  int64_t num_columns = 0;
  std::vector<int32_t> fraction_bits;  // [num_groups]
  std::vector<int64_t> counts;         // [num_groups]
  TokenRanges tokens;
  std::vector<Int128> sums;  // [num_groups, num_columns]

  int64_t num_groups() const {
    return static_cast<int64_t>(fraction_bits.size());
  }
};

std::string FormatSumsRecord(const SumsRecord& record);

// The inverse. DataLoss if the bytes end early or their digest differs;
// Unimplemented for another version; InvalidArgument for anything else that is
// not as above, for a count of tokens that the ranges cannot give, and for
// fraction bits out of range. Allocates no more than the size of `bytes`, and
// only after it has checked that size. The caller checks which shapes a kind
// can have.
absl::StatusOr<SumsRecord> ParseSumsRecord(absl::string_view bytes);

}  // namespace moe::kernels

#endif  // MOE_KERNELS_SUMS_SUMS_RECORD_H_
