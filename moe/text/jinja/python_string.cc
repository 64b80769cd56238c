#include "moe/text/jinja/python_string.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "moe/base/status_macros.h"
#include "moe/text/tokenizer/unicode.h"

namespace moe::text::jinja {
namespace {

bool IsLetter(char32_t c) {
  const auto value = static_cast<utf8proc_int32_t>(c);
  const utf8proc_category_t category = utf8proc_category(value);
  return category == UTF8PROC_CATEGORY_LU || category == UTF8PROC_CATEGORY_LL ||
         category == UTF8PROC_CATEGORY_LT;
}

void AppendUpper(char32_t c, std::string* out) {
  AppendUtf8(
      static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(c))),
      out);
}

void AppendLower(char32_t c, std::string* out) {
  AppendUtf8(
      static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))),
      out);
}

// Calls visit(code point) for each.
template <typename Visit>
void ForEach(absl::string_view text, Visit visit) {
  while (!text.empty()) {
    const CodePoint first = FirstCodePoint(text);
    visit(first.value);
    text.remove_prefix(first.num_bytes);
  }
}

bool IsStripped(absl::string_view character,
                std::optional<absl::string_view> chars) {
  if (chars.has_value()) return absl::StrContains(*chars, character);
  return IsSpace(FirstCodePoint(character).value);
}

// The bytes before the first white space.
size_t WordSize(absl::string_view text) {
  size_t size = 0;
  while (size < text.size()) {
    const CodePoint next = FirstCodePoint(text.substr(size));
    if (IsSpace(next.value)) break;
    size += next.num_bytes;
  }
  return size;
}

std::vector<std::string> SplitWords(absl::string_view text,
                                    int64_t max_splits) {
  std::vector<std::string> parts;
  for (text = Strip(text, Ends::kLeft); !text.empty();
       text = Strip(text, Ends::kLeft)) {
    const bool is_last =
        max_splits >= 0 && static_cast<int64_t>(parts.size()) >= max_splits;
    const size_t size = is_last ? text.size() : WordSize(text);
    parts.emplace_back(text.substr(0, size));
    text.remove_prefix(size);
  }
  return parts;
}

std::optional<char> SimpleEscape(char c) {
  static constexpr absl::string_view kFrom = "\\'\"abfnrtv";
  static constexpr absl::string_view kTo = "\\'\"\a\b\f\n\r\t\v";
  const size_t at = kFrom.find(c);
  if (at == absl::string_view::npos) return std::nullopt;
  return kTo[at];
}

// The digits of \xHH, \uHHHH and \UHHHHHHHH.
absl::Status AppendHex(absl::string_view digits, size_t wanted,
                       std::string* out) {
  uint32_t value = 0;
  const bool is_number = digits.size() == wanted &&
                         digits.find_first_not_of("0123456789abcdefABCDEF") ==
                             absl::string_view::npos &&
                         absl::SimpleHexAtoi(digits, &value);
  const bool is_surrogate = value >= 0xD800 && value <= 0xDFFF;
  if (!is_number || is_surrogate || value > 0x10FFFF) {
    return absl::InvalidArgumentError(
        absl::StrCat("the escape with the digits \"", digits,
                     "\" is cut short or stands for no character"));
  }
  AppendUtf8(static_cast<char32_t>(value), out);
  return absl::OkStatus();
}

}  // namespace

bool IsSpace(char32_t c) {
  return (c >= 0x9 && c <= 0xD) || (c >= 0x1C && c <= 0x20) || c == 0x85 ||
         c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) ||
         c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

absl::string_view Strip(absl::string_view text, Ends ends,
                        std::optional<absl::string_view> chars) {
  while (ends != Ends::kRight && !text.empty()) {
    const size_t size = FirstCodePoint(text).num_bytes;
    if (!IsStripped(text.substr(0, size), chars)) break;
    text.remove_prefix(size);
  }
  while (ends != Ends::kLeft && !text.empty()) {
    const size_t size = LastCodePoint(text).num_bytes;
    if (!IsStripped(text.substr(text.size() - size), chars)) break;
    text.remove_suffix(size);
  }
  return text;
}

std::vector<absl::string_view> Characters(absl::string_view text) {
  std::vector<absl::string_view> characters;
  while (!text.empty()) {
    const size_t size = FirstCodePoint(text).num_bytes;
    characters.push_back(text.substr(0, size));
    text.remove_prefix(size);
  }
  return characters;
}

int64_t CountCharacters(absl::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<uint8_t>(c) & 0xC0) != 0x80;
  });
}

std::string Upper(absl::string_view text) {
  std::string out;
  ForEach(text, [&](char32_t c) { AppendUpper(c, &out); });
  return out;
}

std::string Lower(absl::string_view text) {
  std::string out;
  ForEach(text, [&](char32_t c) { AppendLower(c, &out); });
  return out;
}

std::string Title(absl::string_view text) {
  std::string out;
  bool in_word = false;
  ForEach(text, [&](char32_t c) {
    in_word ? AppendLower(c, &out) : AppendUpper(c, &out);
    in_word = IsLetter(c);
  });
  return out;
}

std::string Capitalize(absl::string_view text) {
  std::string out;
  bool is_first = true;
  ForEach(text, [&](char32_t c) {
    is_first ? AppendUpper(c, &out) : AppendLower(c, &out);
    is_first = false;
  });
  return out;
}

std::vector<std::string> Split(absl::string_view text,
                               std::optional<absl::string_view> separator,
                               int64_t max_splits) {
  if (!separator.has_value()) return SplitWords(text, max_splits);
  std::vector<std::string> parts;
  while (max_splits < 0 || static_cast<int64_t>(parts.size()) < max_splits) {
    const size_t at = text.find(*separator);
    if (at == absl::string_view::npos) break;
    parts.emplace_back(text.substr(0, at));
    text.remove_prefix(at + separator->size());
  }
  parts.emplace_back(text);
  return parts;
}

std::vector<std::string> SplitLines(absl::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const size_t at = std::min(text.find_first_of("\r\n"), text.size());
    lines.emplace_back(text.substr(0, at));
    const size_t end = absl::StartsWith(text.substr(at), "\r\n") ? 2 : 1;
    text.remove_prefix(std::min(at + end, text.size()));
  }
  return lines;
}

std::optional<std::string> Replace(absl::string_view text,
                                   absl::string_view from, absl::string_view to,
                                   int64_t max_count, size_t max_bytes) {
  std::string out;
  size_t position = 0;
  for (int64_t count = 0; max_count < 0 || count < max_count; ++count) {
    // An empty text is found before each character, and at the end.
    size_t at = text.find(from, position);
    if (at == absl::string_view::npos) break;
    if (from.empty() && count > 0) {
      if (at >= text.size()) break;
      at += FirstCodePoint(text.substr(at)).num_bytes;
    }
    absl::StrAppend(&out, text.substr(position, at - position), to);
    if (out.size() > max_bytes) return std::nullopt;
    position = at + from.size();
  }
  absl::StrAppend(&out, text.substr(position));
  if (out.size() > max_bytes) return std::nullopt;
  return out;
}

absl::StatusOr<std::string> Unescape(absl::string_view text) {
  std::string out;
  while (!text.empty()) {
    if (text[0] != '\\' || text.size() == 1) {
      out.push_back(text[0]);
      text.remove_prefix(1);
      continue;
    }
    const char kind = text[1];
    const size_t digits = kind == 'x' ? 2 : kind == 'u' ? 4 : 8;
    if (const std::optional<char> simple = SimpleEscape(kind)) {
      out.push_back(*simple);
      text.remove_prefix(2);
    } else if (kind == 'x' || kind == 'u' || kind == 'U') {
      MOE_RETURN_IF_ERROR(AppendHex(text.substr(2, digits), digits, &out));
      text.remove_prefix(2 + digits);
    } else if (kind == '\n') {
      text.remove_prefix(2);
    } else if (kind == 'N' || (kind >= '0' && kind <= '7')) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the escape \\", text.substr(1, 1), " in a text is not supported"));
    } else {
      out.push_back('\\');  // Python keeps what it does not know.
      text.remove_prefix(1);
    }
  }
  return out;
}

std::string PythonQuoted(absl::string_view text) {
  const bool use_double =
      absl::StrContains(text, '\'') && !absl::StrContains(text, '"');
  const char quote = use_double ? '"' : '\'';
  std::string out(1, quote);
  for (const absl::string_view character : Characters(text)) {
    const char32_t c = FirstCodePoint(character).value;
    const bool is_escaped = c == static_cast<char32_t>(quote) || c == '\\';
    if (is_escaped) {
      absl::StrAppend(&out, "\\", character);
    } else if (c == '\n' || c == '\r' || c == '\t') {
      out += c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t";
    } else if (c < 0x20 || (c >= 0x7F && c <= 0xA0) || c == 0xAD) {
      absl::StrAppendFormat(&out, "\\x%02x", static_cast<uint32_t>(c));
    } else {
      absl::StrAppend(&out, character);
    }
  }
  out.push_back(quote);
  return out;
}

std::string JsonQuoted(absl::string_view text, bool ensure_ascii) {
  std::string out = "\"";
  ForEach(text, [&](char32_t c) {
    static constexpr absl::string_view kFrom = "\"\\\b\f\n\r\t";
    static constexpr absl::string_view kTo = "\"\\bfnrt";
    const size_t at =
        c < 0x80 ? kFrom.find(static_cast<char>(c)) : absl::string_view::npos;
    if (at != absl::string_view::npos) {
      out += {'\\', kTo[at]};
    } else if (ensure_ascii && c > 0xFFFF) {
      const uint32_t rest = static_cast<uint32_t>(c) - 0x10000;
      absl::StrAppendFormat(&out, "\\u%04x\\u%04x", 0xD800 + (rest >> 10),
                            0xDC00 + (rest & 0x3FF));
    } else if (c < 0x20 || (ensure_ascii && c > 0x7E)) {
      absl::StrAppendFormat(&out, "\\u%04x", static_cast<uint32_t>(c));
    } else {
      AppendUtf8(c, &out);
    }
  });
  return out + "\"";
}

}  // namespace moe::text::jinja
