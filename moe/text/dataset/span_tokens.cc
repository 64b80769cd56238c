#include "moe/text/dataset/span_tokens.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/status_macros.h"
#include "moe/text/jinja/python_string.h"
#include "moe/text/tokenizer/tokenizer.h"

namespace moe::text {
namespace {

// The token ranges, if the parts of the text have the tokens of the whole.
absl::StatusOr<std::optional<std::vector<Span>>> EncodeParts(
    const Tokenizer& tokenizer, absl::string_view text,
    absl::Span<const Span> spans, absl::Span<const int32_t> whole) {
  std::vector<Span> tokens;
  size_t position = 0;
  size_t num_tokens = 0;
  const auto take = [&](size_t end) -> absl::StatusOr<bool> {
    MOE_ASSIGN_OR_RETURN(
        const std::vector<int32_t> ids,
        tokenizer.Encode(text.substr(position, end - position), false));
    position = end;
    const absl::Span<const int32_t> there =
        whole.subspan(std::min(num_tokens, whole.size()), ids.size());
    num_tokens += ids.size();
    return there == absl::MakeConstSpan(ids);
  };
  for (const Span& span : spans) {
    MOE_ASSIGN_OR_RETURN(const bool is_before, take(span.first));
    const size_t begin = num_tokens;
    MOE_ASSIGN_OR_RETURN(const bool is_inside, take(span.second));
    if (!is_before || !is_inside) return std::nullopt;
    tokens.emplace_back(begin, num_tokens);
  }
  MOE_ASSIGN_OR_RETURN(const bool is_behind, take(text.size()));
  if (!is_behind || num_tokens != whole.size()) return std::nullopt;
  return std::optional<std::vector<Span>>(std::move(tokens));
}

absl::StatusOr<bool> IsSpecial(const Tokenizer& tokenizer, int32_t id) {
  MOE_ASSIGN_OR_RETURN(const std::string skipped,
                       tokenizer.Decode({&id, 1}, true));
  MOE_ASSIGN_OR_RETURN(const std::string shown,
                       tokenizer.Decode({&id, 1}, false));
  return skipped.empty() && !shown.empty();
}

// Whether the character at the position is white space that belongs to the
// special token before it, as one has that is "rstrip": then the character adds
// no token to `before`, those of the text up to the position.
absl::StatusOr<bool> IsOfTokenBefore(const Tokenizer& tokenizer,
                                     absl::string_view text, size_t position,
                                     absl::Span<const int32_t> before) {
  const absl::string_view behind = text.substr(position);
  if (before.empty() ||
      jinja::Strip(behind, jinja::Ends::kLeft).size() == behind.size()) {
    return false;
  }
  MOE_ASSIGN_OR_RETURN(const bool is_special,
                       IsSpecial(tokenizer, before.back()));
  if (!is_special) return false;
  size_t size = 1;
  while (size < behind.size() && (behind[size] & 0xc0) == 0x80) ++size;
  MOE_ASSIGN_OR_RETURN(
      const std::vector<int32_t> ids,
      tokenizer.Encode(text.substr(0, position + size), false));
  return absl::MakeConstSpan(ids) == before;
}

// The tokens before a position of the text.
struct Boundary {
  size_t num_before = 0;    // Tokens that end there or before.
  size_t num_touching = 0;  // The same, and the token that crosses it.
};

// Encodes the text up to the position alone. Its first tokens are those of the
// whole text; the rest of both is compared as text. White space that a special
// token takes belongs to that token.
absl::StatusOr<Boundary> FindBoundary(const Tokenizer& tokenizer,
                                      absl::string_view text, size_t position,
                                      absl::Span<const int32_t> whole) {
  MOE_ASSIGN_OR_RETURN(const std::vector<int32_t> ids,
                       tokenizer.Encode(text.substr(0, position), false));
  const size_t size = std::min(ids.size(), whole.size());
  const auto same = std::mismatch(
      ids.begin(), ids.begin() + static_cast<ptrdiff_t>(size), whole.begin());
  const auto num_same = static_cast<size_t>(same.first - ids.begin());
  Boundary boundary = {num_same, num_same};
  if (num_same == ids.size()) {
    MOE_ASSIGN_OR_RETURN(const bool reaches_over,
                         IsOfTokenBefore(tokenizer, text, position, ids));
    if (reaches_over) --boundary.num_before;
    return boundary;
  }
  // Decodes from one token earlier, because a decoder may drop a space from a
  // text's start.
  const size_t from = num_same - std::min<size_t>(num_same, 1);
  MOE_ASSIGN_OR_RETURN(
      const std::string left,
      tokenizer.Decode(absl::MakeConstSpan(ids).subspan(from), false));
  std::string taken;
  while (boundary.num_touching < whole.size() &&
         !absl::StartsWith(taken, left)) {
    ++boundary.num_touching;
    MOE_ASSIGN_OR_RETURN(
        taken, tokenizer.Decode(
                   whole.subspan(from, boundary.num_touching - from), false));
    if (absl::StartsWith(left, taken)) {
      boundary.num_before = boundary.num_touching;
      continue;
    }
    MOE_ASSIGN_OR_RETURN(
        const bool is_special,
        IsSpecial(tokenizer, whole[boundary.num_touching - 1]));
    if (is_special) break;
  }
  return boundary;
}

}  // namespace

absl::StatusOr<SpanTokens> EncodeSpans(const Tokenizer& tokenizer,
                                       absl::string_view text,
                                       absl::Span<const Span> spans) {
  SpanTokens out;
  MOE_ASSIGN_OR_RETURN(out.ids, tokenizer.Encode(text, false));
  MOE_ASSIGN_OR_RETURN(std::optional<std::vector<Span>> parts,
                       EncodeParts(tokenizer, text, spans, out.ids));
  if (parts.has_value()) {
    out.tokens = *std::move(parts);
    return out;
  }
  for (const Span& span : spans) {
    MOE_ASSIGN_OR_RETURN(const Boundary begin,
                         FindBoundary(tokenizer, text, span.first, out.ids));
    MOE_ASSIGN_OR_RETURN(const Boundary end,
                         FindBoundary(tokenizer, text, span.second, out.ids));
    out.tokens.emplace_back(std::min(begin.num_before, end.num_touching),
                            end.num_touching);
  }
  return out;
}

absl::StatusOr<size_t> EndOfTurn(const Tokenizer& tokenizer,
                                 absl::string_view text, size_t end,
                                 absl::string_view eos_token) {
  constexpr size_t kMaxTokenBytes = 64;
  const absl::string_view behind =
      jinja::Strip(text.substr(end), jinja::Ends::kLeft);
  if (!eos_token.empty() && absl::StartsWith(behind, eos_token)) {
    return text.size() - behind.size() + eos_token.size();
  }
  absl::string_view next = text.substr(end, kMaxTokenBytes);
  // A special token ends with an ASCII character, mostly ">".
  while (!next.empty() && (next.back() & 0x80) != 0) next.remove_suffix(1);
  if (next.empty()) return end;
  MOE_ASSIGN_OR_RETURN(const std::vector<int32_t> ids,
                       tokenizer.Encode(next, false));
  if (ids.empty()) return end;
  MOE_ASSIGN_OR_RETURN(const bool is_special, IsSpecial(tokenizer, ids[0]));
  MOE_ASSIGN_OR_RETURN(const std::string shown,
                       tokenizer.Decode({ids.data(), 1}, false));
  return is_special && absl::StartsWith(next, shown) ? end + shown.size() : end;
}

}  // namespace moe::text
