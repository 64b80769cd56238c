// Any bytes as text, for each kind of tokenizer: ids in range, and byte-level
// tokenizers decode them to the same text, with U+FFFD for what is ill-formed.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/base/check.h"
#include "moe/text/tokenizer/tokenizer.h"
#include "moe/text/tokenizer/unicode.h"

namespace {

struct Loaded {
  std::unique_ptr<moe::text::Tokenizer> tokenizer;
  bool is_exact;  // Decoding gives back every text.
};

std::vector<Loaded> LoadAll() {
  std::vector<Loaded> all;
  const auto load = [&all](const char* directory, bool is_exact) {
    all.push_back({moe::text::LoadTokenizer(directory).value(), is_exact});
  };
  load("testdata/tokenizers/gpt2_style", false);  // Strips around tokens.
  load("testdata/tokenizers/llama3_style", true);
  load("testdata/tokenizers/smollm2_style", true);
  load("testdata/tokenizers/llama2_style", false);
  load("testdata/tokenizers/sentencepiece", false);
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::vector<Loaded>* const kAll =
      new std::vector<Loaded>(LoadAll());
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  for (const Loaded& loaded : *kAll) {
    const std::vector<int32_t> ids =
        loaded.tokenizer->Encode(text, /*add_special_tokens=*/false).value();
    for (const int32_t id : ids) {
      MOE_CHECK(id >= 0 && id < loaded.tokenizer->vocab_size());
    }
    const std::string decoded =
        loaded.tokenizer->Decode(ids, /*skip_special_tokens=*/false).value();
    if (loaded.is_exact)
      MOE_CHECK(decoded == moe::text::ReplaceIllFormedUtf8(text));
    (void)loaded.tokenizer->Decode(ids, /*skip_special_tokens=*/true).value();
  }
  return 0;
}
