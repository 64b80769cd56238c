#include "moe/text/tokenizer/utf8.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "absl/strings/string_view.h"

namespace moe {
namespace {

constexpr absl::string_view kReplacement = "\xEF\xBF\xBD";

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
struct Part {
  size_t num_bytes;
  bool well_formed;
};

Part PartAt(absl::string_view bytes, size_t i) {
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

}  // namespace

bool IsWellFormedUtf8(absl::string_view bytes) {
  size_t i = SkipAscii(bytes, 0);
  while (i < bytes.size()) {
    const Part part = PartAt(bytes, i);
    if (!part.well_formed) return false;
    i = SkipAscii(bytes, i + part.num_bytes);
  }
  return true;
}

std::string ReplaceIllFormedUtf8(absl::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  size_t i = 0;
  while (i < bytes.size()) {
    const Part part = PartAt(bytes, i);
    const absl::string_view good =
        part.well_formed ? bytes.substr(i, part.num_bytes) : kReplacement;
    text.append(good.data(), good.size());
    i += part.num_bytes;
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

}  // namespace moe
