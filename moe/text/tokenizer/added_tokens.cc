#include "moe/text/tokenizer/added_tokens.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/status_macros.h"
#include "moe/text/tokenizer/pattern.h"
#include "moe/text/tokenizer/unicode.h"

namespace moe::text {
namespace {

// \w of the Rust library `regex` (UTS #18, annex C), which the tokenizers
// package finds single words by.
constexpr char kWordCharacter[] =
    R"(\A[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}])";

// The beginning of a token, for messages.
std::string Shortened(absl::string_view content) {
  constexpr size_t kMaxShownBytes = 40;
  if (content.size() <= kMaxShownBytes) return std::string(content);
  return absl::StrCat(ReplaceIllFormedUtf8(content.substr(0, kMaxShownBytes)),
                      "...");
}

}  // namespace

bool SameFlags(const AddedToken& a, const AddedToken& b) {
  return a.single_word == b.single_word && a.lstrip == b.lstrip &&
         a.rstrip == b.rstrip && a.normalized == b.normalized &&
         a.special == b.special;
}

absl::Status AddedTokenBudget::Spend(absl::string_view content) {
  ++num_tokens_;
  num_bytes_ += content.size();
  const auto over = [content](absl::string_view what, size_t most,
                              size_t found) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the added token \"", Shortened(content),
                     "\": expected at most ", most, what, ", found ", found,
                     "; remove added tokens that the model does not "
                     "use"));
  };
  if (content.size() > kMaxBytesOfOne) {
    return over(" bytes in one", kMaxBytesOfOne, content.size());
  }
  if (num_tokens_ > kMaxTokens) {
    return over(" added tokens", kMaxTokens, num_tokens_);
  }
  if (num_bytes_ > kMaxBytes) {
    return over(" bytes in all added tokens", kMaxBytes, num_bytes_);
  }
  return absl::OkStatus();
}

AddedTokenMatcher::AddedTokenMatcher(absl::Span<const AddedToken> tokens,
                                     absl::Span<const std::string> forms)
    : tokens_(tokens.begin(), tokens.end()), nodes_(1) {
  MOE_CHECK(tokens.size() == forms.size());
  first_.fill(-1);
  for (size_t i = 0; i < forms.size(); ++i) {
    MOE_CHECK(!forms[i].empty());
    int32_t node = 0;
    for (const char c : forms[i]) {
      const auto byte = static_cast<uint8_t>(c);
      auto& children = nodes_[static_cast<size_t>(node)].children;
      const auto found = std::find_if(
          children.begin(), children.end(),
          [byte](const auto& child) { return child.first == byte; });
      if (found != children.end()) {
        node = found->second;
      } else {
        const auto next = static_cast<int32_t>(nodes_.size());
        children.emplace_back(byte, next);
        nodes_.emplace_back();
        node = next;
      }
    }
    nodes_[static_cast<size_t>(node)].token = static_cast<int32_t>(i);
  }
  for (const auto& [byte, child] : nodes_[0].children) first_[byte] = child;
  if (nodes_[0].children.size() == 1) {
    only_first_byte_ = static_cast<char>(nodes_[0].children[0].first);
  }
  if (std::any_of(tokens_.begin(), tokens_.end(),
                  [](const AddedToken& token) { return token.single_word; })) {
    word_character_ = Pattern::FromPcre2(kWordCharacter).value();
  }
}

std::optional<AddedTokenMatcher::Match> AddedTokenMatcher::FindFrom(
    absl::string_view text, size_t position) const {
  while (position < text.size()) {
    if (only_first_byte_.has_value()) {
      const void* const found = std::memchr(
          text.data() + position, *only_first_byte_, text.size() - position);
      if (found == nullptr) return std::nullopt;
      position =
          static_cast<size_t>(static_cast<const char*>(found) - text.data());
    }
    int32_t node = first_[static_cast<uint8_t>(text[position])];
    std::optional<Match> longest;
    for (size_t end = position + 1; node >= 0; ++end) {
      const Node& here = nodes_[static_cast<size_t>(node)];
      if (here.token >= 0) longest = Match{position, end, here.token};
      if (end == text.size()) break;
      const auto byte = static_cast<uint8_t>(text[end]);
      node = -1;
      for (const auto& [child_byte, child] : here.children) {
        if (child_byte == byte) node = child;
      }
    }
    if (longest.has_value()) return longest;
    ++position;
  }
  return std::nullopt;
}

bool AddedTokenMatcher::IsWordCharacter(absl::string_view character) const {
  RegexScratch scratch;
  bool found = false;
  word_character_
      ->ForEachMatch(character, scratch,
                     [&](size_t, size_t) {
                       found = true;
                       return absl::CancelledError();
                     })
      .IgnoreError();
  return found;
}

bool AddedTokenMatcher::IsAllowed(const AddedToken& token,
                                  absl::string_view text, size_t begin,
                                  size_t end) const {
  if (!token.single_word) return true;
  if (begin > 0) {
    const size_t size = LastCodePoint(text.substr(0, begin)).num_bytes;
    if (IsWordCharacter(text.substr(begin - size, size))) return false;
  }
  return end == text.size() || !IsWordCharacter(text.substr(end));
}

std::vector<TextPiece> AddedTokenMatcher::Split(absl::string_view text) const {
  std::vector<TextPiece> pieces;
  const auto add = [&pieces](size_t begin, size_t end,
                             std::optional<int32_t> id) {
    if (begin < end) pieces.push_back({begin, end, id});
  };
  size_t done = 0;
  size_t position = 0;
  while (const std::optional<Match> match =
             IsEmpty() ? std::nullopt : FindFrom(text, position)) {
    position = match->end;
    const AddedToken& token = tokens_[static_cast<size_t>(match->token)];
    if (!IsAllowed(token, text, match->begin, match->end)) continue;
    size_t begin = match->begin;
    size_t end = match->end;
    if (token.lstrip) {
      // Does not take white space from the token before.
      begin = std::max(StripRight(text.substr(0, begin)).size(), done);
    }
    if (token.rstrip) end = text.size() - StripLeft(text.substr(end)).size();
    add(done, begin, std::nullopt);
    add(begin, end, token.id);
    done = end;
  }
  add(done, text.size(), std::nullopt);
  return pieces;
}

absl::Status AddedTokenMatcher::Encode(
    absl::string_view text, std::vector<int32_t>* ids,
    absl::FunctionRef<absl::Status(absl::string_view, bool)> encode) const {
  for (const TextPiece& piece : Split(text)) {
    if (piece.id.has_value()) {
      ids->push_back(*piece.id);
      continue;
    }
    MOE_RETURN_IF_ERROR(encode(
        text.substr(piece.begin, piece.end - piece.begin), piece.begin == 0));
  }
  return absl::OkStatus();
}

}  // namespace moe::text
