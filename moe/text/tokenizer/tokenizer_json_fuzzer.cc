// Any text as a tokenizer.json: read or refused, never a crash; and what is
// read encodes, decodes and encodes the same again.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/base/check.h"
#include "moe/text/tokenizer/bpe_tokenizer.h"
#include "moe/text/tokenizer/tokenizer_json.h"

namespace {

constexpr absl::string_view kText =
    "Hello  w\xC3\xB6rld's 123\r\n\xE2\x96\x81 <s>a</s> \xFF \xF0\x9F\x91\x8D";

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const absl::StatusOr<std::unique_ptr<moe::text::BpeTokenizer>> tokenizer =
      moe::text::ParseTokenizerJson(text, {});
  if (!tokenizer.ok()) return 0;
  for (const bool special : {false, true}) {
    const absl::StatusOr<std::vector<int32_t>> ids =
        (*tokenizer)->Encode(kText, special);
    if (!ids.ok()) continue;
    for (const int32_t id : *ids) {
      MOE_CHECK(id >= 0 && id < (*tokenizer)->vocab_size());
    }
    (void)(*tokenizer)->Decode(*ids, special);
    // The second time from the cache.
    MOE_CHECK((*tokenizer)->Encode(kText, special).value() == *ids);
  }
  return 0;
}
