// A tokenizer for tests whose ids can be worked out by hand: a byte's id is its
// value, two line breaks are one token, special tokens are known by name.

#ifndef MOE_TEXT_DATASET_TESTING_BYTE_TOKENIZER_H_
#define MOE_TEXT_DATASET_TESTING_BYTE_TOKENIZER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/text/tokenizer/tokenizer.h"

namespace moe::text::testing {

// The id of "\n\n", which is taken wherever it fits, from the left.
inline constexpr int32_t kTwoLineBreaks = 256;
// The id of the first special token; the others follow.
inline constexpr int32_t kFirstSpecial = 257;

class ByteTokenizer : public Tokenizer {
 public:
  // `bos` is one of the special tokens, or empty for none; the post-processor
  // puts it before a text if `add_bos` is set.
  ByteTokenizer(std::vector<std::string> special_tokens, std::string bos,
                bool add_bos);

  // <|begin_of_text|> 257, <|start_header_id|> 258, <|end_header_id|> 259,
  // <|eot_id|> 260; a BOS before a text.
  static ByteTokenizer Llama3();
  // <|im_start|> 257, <|im_end|> 258; no BOS before a text.
  static ByteTokenizer Chatml();

  absl::StatusOr<std::vector<int32_t>> Encode(
      absl::string_view text, bool add_special_tokens) const override;
  absl::StatusOr<std::string> Decode(absl::Span<const int32_t> ids,
                                     bool skip_special_tokens) const override;
  int64_t vocab_size() const override;
  int64_t base_vocab_size() const override { return kFirstSpecial; }
  std::optional<int32_t> TokenToId(absl::string_view token) const override;
  std::optional<int32_t> bos_id() const override;
  std::optional<int32_t> eos_id() const override { return std::nullopt; }
  const std::string& digest() const override { return digest_; }

 private:
  std::vector<std::string> special_tokens_;
  std::string bos_;
  bool add_bos_;
  std::string digest_;
};

}  // namespace moe::text::testing

#endif  // MOE_TEXT_DATASET_TESTING_BYTE_TOKENIZER_H_
