#include "moe/kernels/sums/token_ranges.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "moe/base/status_macros.h"

namespace moe::kernels {
namespace {

int64_t FirstChunk(TokenRange range) { return range.begin / kTokensPerChunk; }
int64_t LastChunk(TokenRange range) {
  return (range.end - 1) / kTokensPerChunk;
}

std::string Name(TokenRange range) {
  return absl::StrCat("tokens [", range.begin, ", ", range.end, ")");
}

absl::Status ShareAChunk(TokenRange range, TokenRange other) {
  return absl::InvalidArgumentError(absl::StrCat(
      Name(range), ": expected chunks that are not summed yet, ", "found ",
      Name(other), ", which have a chunk of ", kTokensPerChunk,
      " tokens in common; cut at the borders of chunks"));
}

absl::Status CheckRange(TokenRange range) {
  if (range.begin >= 0 && range.begin < range.end) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "range of tokens: expected 0 <= begin < end, found ", Name(range)));
}

}  // namespace

absl::Status TokenRanges::InsertBefore(size_t next, TokenRange range) {
  if (next < ranges_.size()) {
    const TokenRange other = ranges_[next];
    if (LastChunk(range) >= FirstChunk(other)) return ShareAChunk(range, other);
    if (range.end == other.begin) {
      ranges_[next].begin = range.begin;
      return absl::OkStatus();
    }
  }
  ranges_.insert(ranges_.begin() + static_cast<std::ptrdiff_t>(next), range);
  return absl::OkStatus();
}

absl::Status TokenRanges::Insert(TokenRange range) {
  MOE_RETURN_IF_ERROR(CheckRange(range));
  if (range.begin % kTokensPerChunk != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        Name(range), " begin inside a chunk: expected a multiple of ",
        kTokensPerChunk));
  }
  const auto after = std::upper_bound(
      ranges_.begin(), ranges_.end(), range,
      [](TokenRange a, TokenRange b) { return a.begin < b.begin; });
  const size_t next = static_cast<size_t>(after - ranges_.begin());
  if (next > 0) {
    const TokenRange before = ranges_[next - 1];
    if (LastChunk(before) >= FirstChunk(range)) {
      return ShareAChunk(range, before);
    }
    if (before.end == range.begin) return Extend(range);
  }
  return InsertBefore(next, range);
}

absl::Status TokenRanges::Extend(TokenRange range) {
  MOE_RETURN_IF_ERROR(CheckRange(range));
  const auto before = std::lower_bound(
      ranges_.begin(), ranges_.end(), range.begin,
      [](TokenRange a, int64_t token) { return a.end < token; });
  if (before == ranges_.end() || before->end != range.begin) {
    return absl::InvalidArgumentError(
        absl::StrCat(Name(range),
                     ": expected tokens that follow a summed one, "
                     "found that they follow no token"));
  }
  const size_t position = static_cast<size_t>(before - ranges_.begin());
  const TokenRange whole = {before->begin, range.end};
  MOE_RETURN_IF_ERROR(InsertBefore(position + 1, whole));
  ranges_.erase(ranges_.begin() + static_cast<std::ptrdiff_t>(position));
  return absl::OkStatus();
}

absl::Status TokenRanges::InsertAll(const TokenRanges& other) {
  TokenRanges all = *this;
  for (const TokenRange range : other.ranges_) {
    MOE_RETURN_IF_ERROR(all.Insert(range));
  }
  *this = std::move(all);
  return absl::OkStatus();
}

int64_t TokenRanges::size() const {
  int64_t num_tokens = 0;
  for (const TokenRange range : ranges_) num_tokens += range.end - range.begin;
  return num_tokens;
}

}  // namespace moe::kernels
