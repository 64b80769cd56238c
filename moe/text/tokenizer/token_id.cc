#include "moe/text/tokenizer/token_id.h"

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/sha256.h"

namespace moe::text {

absl::Status CheckTokenIds(absl::Span<const int32_t> ids, int64_t vocab_size) {
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] >= 0 && ids[i] < vocab_size) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("ids[", i, "]: expected an id from 0 to ", vocab_size - 1,
                     ", found ", ids[i]));
  }
  return absl::OkStatus();
}

std::string DigestWith(std::string digest, absl::string_view changes) {
  if (changes.empty()) return digest;
  base::Sha256 sha;
  sha.Update(digest);
  sha.Update(changes);
  return sha.HexDigest();
}

}  // namespace moe::text
