#include "moe/text/tokenizer/unicode.h"

#include <utf8proc.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace moe::text {
namespace {

uint8_t ByteAt(absl::string_view text, size_t i) {
  return static_cast<uint8_t>(text[i]);
}

// How a sequence that starts with `lead` goes on: its length, and the range of
// its second byte. Length 0 for what starts no sequence.
struct Sequence {
  size_t num_bytes;
  uint8_t second_min;
  uint8_t second_max;
};

Sequence SequenceOf(uint8_t lead) {
  if (lead < 0x80) return {1, 0, 0};
  if (lead < 0xC2) return {0, 0, 0};
  if (lead < 0xE0) return {2, 0x80, 0xBF};
  if (lead == 0xE0) return {3, 0xA0, 0xBF};
  if (lead == 0xED) return {3, 0x80, 0x9F};
  if (lead < 0xF0) return {3, 0x80, 0xBF};
  if (lead == 0xF0) return {4, 0x90, 0xBF};
  if (lead < 0xF4) return {4, 0x80, 0xBF};
  if (lead == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

// The length of the sequence, or of the ill-formed part, at byte `i`.
struct SequenceLength {
  size_t num_bytes;
  bool well_formed;
};

SequenceLength SequenceLengthAt(absl::string_view bytes, size_t i) {
  const Sequence sequence = SequenceOf(ByteAt(bytes, i));
  if (sequence.num_bytes == 0) return {1, false};
  uint8_t min = sequence.second_min;
  uint8_t max = sequence.second_max;
  for (size_t k = 1; k < sequence.num_bytes; ++k) {
    if (i + k >= bytes.size()) return {k, false};
    const uint8_t byte = ByteAt(bytes, i + k);
    if (byte < min || byte > max) return {k, false};
    min = 0x80;
    max = 0xBF;
  }
  return {sequence.num_bytes, true};
}

// The first byte at or after `i` that is not ASCII, or the end.
size_t SkipAscii(absl::string_view bytes, size_t i) {
  while (i + 8 <= bytes.size()) {
    uint64_t word;
    std::memcpy(&word, bytes.data() + i, sizeof(word));
    if ((word & 0x8080808080808080u) != 0) break;
    i += 8;
  }
  while (i < bytes.size() && ByteAt(bytes, i) < 0x80) ++i;
  return i;
}

constexpr char32_t kCapitalIWithDotAbove = 0x130;

// The options of utf8proc_map, in the order of NormalForm.
constexpr int kFormOptions[] = {
    UTF8PROC_STABLE | UTF8PROC_COMPOSE,
    UTF8PROC_STABLE | UTF8PROC_DECOMPOSE,
    UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT,
    UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT,
};

utf8proc_category_t CategoryOf(char32_t code_point) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(code_point));
}

}  // namespace

bool IsWellFormedUtf8(absl::string_view bytes) {
  size_t i = SkipAscii(bytes, 0);
  while (i < bytes.size()) {
    const SequenceLength length = SequenceLengthAt(bytes, i);
    if (!length.well_formed) return false;
    i = SkipAscii(bytes, i + length.num_bytes);
  }
  return true;
}

std::string ReplaceIllFormedUtf8(absl::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  size_t i = 0;
  while (i < bytes.size()) {
    const SequenceLength length = SequenceLengthAt(bytes, i);
    const absl::string_view good = length.well_formed
                                       ? bytes.substr(i, length.num_bytes)
                                       : kReplacementCharacter;
    text.append(good.data(), good.size());
    i += length.num_bytes;
  }
  return text;
}

CodePoint FirstCodePoint(absl::string_view text) {
  const uint8_t lead = ByteAt(text, 0);
  if (lead < 0x80) return {lead, 1};
  const size_t num_bytes = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  char32_t value = lead & (0xFFu >> (num_bytes + 1));
  for (size_t i = 1; i < num_bytes; ++i) {
    value = (value << 6) | (ByteAt(text, i) & 0x3Fu);
  }
  return {value, num_bytes};
}

CodePoint LastCodePoint(absl::string_view text) {
  size_t i = text.size() - 1;
  while ((ByteAt(text, i) & 0xC0u) == 0x80) --i;
  return FirstCodePoint(text.substr(i));
}

void AppendUtf8(char32_t code_point, std::string* text) {
  const auto append = [text](char32_t bits) {
    text->push_back(static_cast<char>(bits));
  };
  if (code_point < 0x80) {
    append(code_point);
    return;
  }
  if (code_point < 0x800) {
    append(0xC0 | (code_point >> 6));
  } else {
    if (code_point < 0x10000) {
      append(0xE0 | (code_point >> 12));
    } else {
      append(0xF0 | (code_point >> 18));
      append(0x80 | ((code_point >> 12) & 0x3F));
    }
    append(0x80 | ((code_point >> 6) & 0x3F));
  }
  append(0x80 | (code_point & 0x3F));
}

bool IsWhitespace(char32_t code_point) {
  if (code_point < 0x80) {
    return code_point == ' ' || (code_point >= 0x9 && code_point <= 0xD);
  }
  if (code_point == 0x85) return true;  // Next line, a control character.
  const utf8proc_category_t category = CategoryOf(code_point);
  return category == UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_ZL ||
         category == UTF8PROC_CATEGORY_ZP;
}

bool IsNumeric(char32_t code_point) {
  if (code_point < 0x80) return code_point >= '0' && code_point <= '9';
  const utf8proc_category_t category = CategoryOf(code_point);
  return category == UTF8PROC_CATEGORY_ND || category == UTF8PROC_CATEGORY_NL ||
         category == UTF8PROC_CATEGORY_NO;
}

absl::string_view StripLeft(absl::string_view text) {
  while (!text.empty()) {
    const CodePoint first = FirstCodePoint(text);
    if (!IsWhitespace(first.value)) break;
    text.remove_prefix(first.num_bytes);
  }
  return text;
}

absl::string_view StripRight(absl::string_view text) {
  while (!text.empty()) {
    const CodePoint last = LastCodePoint(text);
    if (!IsWhitespace(last.value)) break;
    text.remove_suffix(last.num_bytes);
  }
  return text;
}

absl::StatusOr<std::string> Normalize(absl::string_view text, NormalForm form) {
  utf8proc_uint8_t* bytes = nullptr;
  const utf8proc_ssize_t size = utf8proc_map(
      reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
      static_cast<utf8proc_ssize_t>(text.size()), &bytes,
      static_cast<utf8proc_option_t>(kFormOptions[static_cast<int>(form)]));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(
      bytes, &std::free);
  if (size < 0) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a text of ", text.size(),
                     " bytes cannot be normalized: ", utf8proc_errmsg(size)));
  }
  return std::string(reinterpret_cast<const char*>(bytes),
                     static_cast<size_t>(size));
}

std::string Lowercase(absl::string_view text) {
  std::string lower;
  lower.reserve(text.size());
  while (!text.empty()) {
    const CodePoint first = FirstCodePoint(text);
    text.remove_prefix(first.num_bytes);
    if (first.value == kCapitalIWithDotAbove) {
      // The one mapping to two characters that holds in every context.
      AppendUtf8('i', &lower);
      AppendUtf8(0x307, &lower);
    } else {
      AppendUtf8(static_cast<char32_t>(utf8proc_tolower(
                     static_cast<utf8proc_int32_t>(first.value))),
                 &lower);
    }
  }
  return lower;
}

}  // namespace moe::text
