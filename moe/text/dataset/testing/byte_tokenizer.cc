#include "moe/text/dataset/testing/byte_tokenizer.h"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/sha256.h"

namespace moe::text::testing {

ByteTokenizer::ByteTokenizer(std::vector<std::string> special_tokens,
                             std::string bos, bool add_bos)
    : special_tokens_(std::move(special_tokens)),
      bos_(std::move(bos)),
      add_bos_(add_bos),
      digest_(base::HexSha256Of(
          absl::StrCat(absl::StrJoin(special_tokens_, " "),
                       add_bos_ ? " adds " : " has ", bos_))) {}

ByteTokenizer ByteTokenizer::Llama3() {
  return ByteTokenizer({"<|begin_of_text|>", "<|start_header_id|>",
                        "<|end_header_id|>", "<|eot_id|>"},
                       "<|begin_of_text|>", true);
}

ByteTokenizer ByteTokenizer::Chatml() {
  return ByteTokenizer({"<|im_start|>", "<|im_end|>"}, "<|im_start|>", false);
}

absl::StatusOr<std::vector<int32_t>> ByteTokenizer::Encode(
    absl::string_view text, bool add_special_tokens) const {
  std::vector<int32_t> ids;
  if (add_special_tokens && add_bos_) ids.push_back(*bos_id());
  while (!text.empty()) {
    size_t size = 1;
    int32_t id = static_cast<uint8_t>(text[0]);
    if (absl::StartsWith(text, "\n\n")) {
      size = 2;
      id = kTwoLineBreaks;
    }
    for (size_t i = 0; i < special_tokens_.size(); ++i) {
      if (!absl::StartsWith(text, special_tokens_[i])) continue;
      size = special_tokens_[i].size();
      id = kFirstSpecial + static_cast<int32_t>(i);
    }
    ids.push_back(id);
    text.remove_prefix(size);
  }
  return ids;
}

absl::StatusOr<std::string> ByteTokenizer::Decode(
    absl::Span<const int32_t> ids, bool skip_special_tokens) const {
  std::string text;
  for (const int32_t id : ids) {
    if (id < 0 || id >= vocab_size()) {
      return absl::InvalidArgumentError(absl::StrCat("there is no id ", id));
    }
    if (id < kTwoLineBreaks) {
      text.push_back(static_cast<char>(id));
    } else if (id == kTwoLineBreaks) {
      text += "\n\n";
    } else if (!skip_special_tokens) {
      text += special_tokens_[static_cast<size_t>(id - kFirstSpecial)];
    }
  }
  return text;
}

int64_t ByteTokenizer::vocab_size() const {
  return kFirstSpecial + static_cast<int64_t>(special_tokens_.size());
}

std::optional<int32_t> ByteTokenizer::TokenToId(absl::string_view token) const {
  for (size_t i = 0; i < special_tokens_.size(); ++i) {
    if (special_tokens_[i] == token) {
      return kFirstSpecial + static_cast<int32_t>(i);
    }
  }
  return std::nullopt;
}

std::optional<int32_t> ByteTokenizer::bos_id() const { return TokenToId(bos_); }

}  // namespace moe::text::testing
