#include "moe/model/walk/sequence_groups.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "moe/base/check.h"

namespace moe::model {

std::vector<SequenceGroup> GroupSequences(absl::Span<const int64_t> offsets,
                                          int64_t tokens_at_once) {
  MOE_CHECK(!offsets.empty() && offsets.front() == 0 && tokens_at_once > 0);
  std::vector<SequenceGroup> groups;
  for (size_t s = 0; s + 1 < offsets.size(); ++s) {
    const int64_t length = offsets[s + 1] - offsets[s];
    if (groups.empty() ||
        groups.back().num_tokens() + length > tokens_at_once) {
      groups.push_back({static_cast<int64_t>(s), offsets[s], {0}});
    }
    SequenceGroup& group = groups.back();
    group.offsets.push_back(group.num_tokens() + length);
  }
  return groups;
}

int64_t LongestSequence(absl::Span<const int64_t> offsets) {
  int64_t longest = 0;
  for (size_t s = 0; s + 1 < offsets.size(); ++s) {
    longest = std::max(longest, offsets[s + 1] - offsets[s]);
  }
  return longest;
}

}  // namespace moe::model
