#include "moe/base/escape_control.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <mutex>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"

namespace moe::base {
namespace {

// The bytes that may follow the first of a sequence, by RFC 3629, section 4:
// neither overlong forms nor surrogates.
struct Sequence {
  uint8_t first_low;
  uint8_t first_high;
  size_t size;
  uint8_t second_low;
  uint8_t second_high;
};
constexpr std::array<Sequence, 9> kSequences = {{
    {0x00, 0x7f, 1, 0, 0},
    {0xc2, 0xdf, 2, 0x80, 0xbf},
    {0xe0, 0xe0, 3, 0xa0, 0xbf},
    {0xe1, 0xec, 3, 0x80, 0xbf},
    {0xed, 0xed, 3, 0x80, 0x9f},
    {0xee, 0xef, 3, 0x80, 0xbf},
    {0xf0, 0xf0, 4, 0x90, 0xbf},
    {0xf1, 0xf3, 4, 0x80, 0xbf},
    {0xf4, 0xf4, 4, 0x80, 0x8f},
}};

uint8_t ByteAt(absl::string_view text, size_t i) {
  return static_cast<uint8_t>(text[i]);
}

// Null for a byte that starts no sequence.
const Sequence* FindSequence(uint8_t first) {
  const auto found = std::find_if(
      kSequences.begin(), kSequences.end(), [&](const Sequence& sequence) {
        return first >= sequence.first_low && first <= sequence.first_high;
      });
  return found == kSequences.end() ? nullptr : &*found;
}

// How many bytes at the start of `text` belong to the sequence. `text` starts
// with its first byte.
size_t NumMatching(const Sequence& sequence, absl::string_view text) {
  size_t i = 1;
  for (; i < std::min(sequence.size, text.size()); ++i) {
    const uint8_t low = i == 1 ? sequence.second_low : uint8_t{0x80};
    const uint8_t high = i == 1 ? sequence.second_high : uint8_t{0xbf};
    if (ByteAt(text, i) < low || ByteAt(text, i) > high) break;
  }
  return i;
}

uint32_t CodePoint(absl::string_view bytes) {
  constexpr std::array<uint8_t, 5> kFirstMask = {0, 0x7f, 0x1f, 0x0f, 0x07};
  uint32_t code = ByteAt(bytes, 0) & kFirstMask[bytes.size()];
  for (size_t i = 1; i < bytes.size(); ++i) {
    code = code << 6 | (ByteAt(bytes, i) & 0x3f);
  }
  return code;
}

bool IsControl(uint32_t code) {
  const auto within = [code](uint32_t low, uint32_t high) {
    return code >= low && code <= high;
  };
  return code < 0x20 || within(0x7f, 0x9f) || code == 0x061c ||
         within(0x200b, 0x200f) || within(0x2028, 0x202e) ||
         within(0x2060, 0x2069) || code == 0xfeff;
}

std::string Escape(absl::string_view text, bool keeps_lines) {
  std::string escaped;
  escaped.reserve(text.size());
  while (!text.empty()) {
    const Sequence* const sequence = FindSequence(ByteAt(text, 0));
    if (sequence == nullptr || NumMatching(*sequence, text) < sequence->size) {
      absl::StrAppendFormat(&escaped, "\\x%02x", ByteAt(text, 0));
      text.remove_prefix(1);
      continue;
    }
    const absl::string_view bytes = text.substr(0, sequence->size);
    const uint32_t code = CodePoint(bytes);
    if (IsControl(code) && !(keeps_lines && (code == '\n' || code == '\t'))) {
      absl::StrAppendFormat(&escaped, "\\u%04x", code);
    } else {
      escaped.append(bytes.data(), bytes.size());
    }
    text.remove_prefix(bytes.size());
  }
  return escaped;
}

}  // namespace

std::string EscapeControl(absl::string_view text) {
  return Escape(text, /*keeps_lines=*/false);
}

std::string EscapeControlInText(absl::string_view text) {
  return Escape(text, /*keeps_lines=*/true);
}

size_t BytesBeforeCutSequence(absl::string_view text) {
  for (size_t cut = 1; cut <= std::min<size_t>(3, text.size()); ++cut) {
    const absl::string_view end = text.substr(text.size() - cut);
    const Sequence* const sequence = FindSequence(ByteAt(end, 0));
    if (sequence == nullptr) continue;
    const bool is_cut =
        sequence->size > cut && NumMatching(*sequence, end) == cut;
    return is_cut ? text.size() - cut : text.size();
  }
  return text.size();
}

void SayNotice(absl::string_view text) {
  static std::mutex* const mutex = new std::mutex;
  static auto* const said = new absl::flat_hash_set<std::string>;
  const std::lock_guard<std::mutex> lock(*mutex);
  if (!said->emplace(text).second) return;
  const std::string line = absl::StrCat("notice: ", EscapeControl(text), "\n");
  std::fwrite(line.data(), 1, line.size(), stderr);
  std::fflush(stderr);
}

}  // namespace moe::base
