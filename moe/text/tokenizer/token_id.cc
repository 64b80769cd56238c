#include "moe/text/tokenizer/token_id.h"

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"

namespace moe {

absl::optional<int32_t> ToAbsl(const std::optional<int32_t>& id) {
  if (!id.has_value()) return absl::nullopt;
  return *id;
}

absl::Status CheckTokenIds(absl::Span<const int32_t> ids, int64_t vocab_size) {
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] >= 0 && ids[i] < vocab_size) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("ids[", i, "] is ", ids[i],
                     "; the tokenizer has ids from 0 to ", vocab_size - 1));
  }
  return absl::OkStatus();
}

}  // namespace moe
